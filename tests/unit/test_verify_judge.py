"""From an answer to a verdict: one state each, and nothing odd is ready."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime.ledger import lock_key
from stillroom.runtime.verifying import judge, verdict
from stillroom.runtime.verifying.expected import Expected

# a1 <- b2 <- c3, and a branch a1 <- x9 that c3 does not contain
MINE = lock_key.key("auth", "public.alembic_version")
LINKS = {"a1": ((), ()), "b2": (("a1",), ()), "c3": (("b2",), ()), "x9": (("a1",), ())}
TWO = Expected("auth", ("c3", "x9"), 4, links=LINKS)
ONE = Expected("auth", ("c3",), 3, links={key: LINKS[key] for key in ("a1", "b2", "c3")})


def answer(*rows: str, tables: int = 3, **more: Any) -> dict[str, Any]:
    """What a database says."""
    return {
        "role": "me", "database": "auth", "schema": "public", "major": 18, "rows": sorted(rows), "twice": [],
        "empty_row": False, "tables": tables, "elsewhere": None, "pieces": ["smissing"], "deep": None,
        "place": ["public", "alembic_version", "r", True, True, False], **more,
    }  # fmt: skip


def ledger(*revisions: tuple[str, str, list[str]], run: dict[str, Any] | None = None) -> list[str]:
    """The words that the ledger gives: revisions (id, kind, parents), the newest last; and the newest run for the heads."""
    words = ["sreadable"]
    for number, (revision, kind, parents) in enumerate(reversed(revisions), 1):
        words.append(f"pr{number:04}000" + json.dumps([revision, kind, f"{kind} because", parents]))
    if run is not None:
        told = {
            "id": 1,
            "service": "auth",
            "fatal": False,
            "last_attempt": False,
            "error": None,
            "started": "then",
            **run,
        }
        text = json.dumps(
            [told.get(each) for each in ("id", "service", "outcome", "fatal", "last_attempt", "error")]
            + ["then", ["c3"]]
        )
        words += [f"ph{at:03}{text[at * 20 : at * 20 + 20]}" for at in range(len(text) // 20 + 1)]
    return words


@pytest.mark.parametrize(
    ("wanted", "said", "state", "code", "told"),
    [
        (ONE, answer("c3"), "at_head", 0, "is at c3, as this image expects"),
        (TWO, answer("c3", "x9"), "at_head", 0, "is at c3, x9"),
        (ONE, answer("a1"), "behind", 10, "2 revisions pending (b2, c3)"),
        (TWO, answer("c3"), "behind", 10, "1 revision pending (x9)"),
        (ONE, answer("d4"), "ahead", 0, "there is no ledger"),
        (ONE, answer("b2", "d4"), "diverged", 12, "d4 is unknown to this image"),
        (TWO, answer("a1", "c3"), "diverged", 12, "a1 is part of another row"),
        (ONE, answer(tables=0), "empty", 13, "Database is empty"),
        (ONE, answer(tables=0, place=None), "empty", 13, "there is no alembic_version"),
        (ONE, answer(), "unversioned", 14, "holds 3 tables and no revision: alembic_version holds no row"),
        (ONE, answer(place=None, elsewhere=["s.alembic_version"]), "unversioned", 14, "(there is s.alembic_version, in"),
        (ONE, answer(place=["public", "alembic_version", "r", True, False, False]), "unreachable", 15, "can't be read"),
        (ONE, answer("c3", place=["public", "alembic_version", "r", True, True, True]), "unreachable", 15, "row security"),
        (ONE, answer("c3", place=["public", "alembic_version", "v", True, True, False]), "unversioned", 14, "is no table"),
        (ONE, answer("c3", place=["public", "v", "r", False, False, False]), "unversioned", 14, "without a column"),
        (Expected("auth", (), 0), answer(), "no_migrations", 16, "No migration files found for auth"),
        (ONE, answer("c3", twice=["c3"]), "diverged", 12, "names c3 more than once"),
        (ONE, answer("c3", empty_row=True), "diverged", 12, "an empty row"),
    ],
)  # fmt: skip
def test_each_state(wanted: Expected, said: dict[str, Any], state: str, code: int, told: str) -> None:
    """State, exit code, a message that begins as documented, a mend, and the exception of that state."""
    found = judge.judge([json.dumps(said)], wanted)
    assert (found.state, found.exit_code, found.ready) == (state, code, code == 0)
    assert told in found.message
    if not found.ready:
        assert found.message.startswith("DB not ready: ") and found.mend
        with pytest.raises(verdict.NotReady) as caught:
            found.need_ready()
        assert caught.value.exit_code == code and caught.value.data["state"] == state
        assert [kind for kind in verdict.NotReady.__subclasses__() if type(caught.value) is kind]
    else:
        assert found.need_ready() is found


def test_each_state_has_an_exception_and_a_code_of_its_own() -> None:
    """No two states share an exception or an exit code, and none is left out."""
    made = [verdict.Verdict(each, False, "m", "n").exception() for each in verdict.STATES if each != verdict.AT_HEAD]
    assert (
        len({type(each) for each in made})
        == len({each.exit_code for each in made})
        == len({each.code for each in made})
        == 9
    )


def test_ahead_by_expansion_is_accepted_whatever_the_policy() -> None:
    """The ledger knows that all of it is additive: the older image starts, with a warning."""
    said = answer("e5", pieces=ledger(("c3", "contract", ["b2"]), ("d4", "expand", ["c3"]), ("e5", "expand", ["d4"])))
    for policy in judge.POLICIES:
        found = judge.judge(json.dumps(said), ONE, policy)
        assert (found.state, found.ready, found.boundary) == ("ahead", True, "")
        assert "additive (d4, e5)" in found.warnings[0]


def test_ahead_by_contraction_is_refused_and_names_the_boundary() -> None:
    """The oldest revision that the image can't live with is named, however much is additive around it."""
    revisions = (
        ("d4", "expand", ["c3"]),
        ("e5", "contract", ["d4"]),
        ("f6", "contract", ["e5"]),
        ("g7", "expand", ["f6"]),
    )
    found = judge.judge(json.dumps(answer("g7", pieces=ledger(*revisions))), ONE, judge.ALLOW)
    assert (found.state, found.exit_code, found.boundary) == ("ahead", 11, "e5")
    assert "revision e5 contracts the schema (contract because)" in found.message
    assert "deploy the newer image (one that has e5)" in found.mend
    assert "from the newer image" in found.mend and found.mend.endswith("downgrade --to c3")


def test_contractions_that_are_not_below_the_rows_do_not_count() -> None:
    """What was applied and taken back, or belongs to another branch, is no boundary; the last application of two counts."""
    revisions = (("d4", "contract", ["c3"]), ("q1", "contract", ["c3"]), ("d4", "expand", ["c3"]))
    assert judge.judge(json.dumps(answer("d4", pieces=ledger(*revisions))), ONE).ready


@pytest.mark.parametrize("state", ["missing", "foreign", "unreadable"])
def test_without_the_ledger_the_policy_decides(state: str) -> None:
    """Missing, unreadable or somebody else's: the plain policy, and a warning that says why."""
    said = json.dumps(answer("d4", pieces=[f"s{state}"]))
    allowed, refused = judge.judge(said, ONE, judge.ALLOW), judge.judge(said, ONE, judge.REFUSE)
    assert (allowed.exit_code, refused.exit_code) == (0, 11)
    assert "the policy is to allow" in allowed.warnings[0] and "the policy is to refuse" in refused.message


def test_a_revision_that_the_ledger_does_not_know_is_not_taken_for_additive() -> None:
    """Applied without migrate: the policy decides; but a known contraction on the way is refused all the same."""
    said = answer("e5", pieces=ledger(("e5", "expand", ["d4"])))
    assert judge.judge(json.dumps(said), ONE, judge.REFUSE).exit_code == 11
    assert "does not know d4" in judge.judge(json.dumps(said), ONE).warnings[0]
    said = answer("e5", pieces=ledger(("e5", "contract", ["d4"])))
    assert judge.judge(json.dumps(said), ONE).boundary == "e5"


def test_a_replaced_history_is_found_by_the_ledger() -> None:
    """Revisions that do not lead down to this image's heads are another history, not a newer one."""
    for revisions in ([("n2", "expand", ["n1"]), ("n1", "expand", [])], [("n2", "expand", ["b2"])]):
        found = judge.judge(json.dumps(answer("n2", pieces=ledger(*revisions))), ONE)
        assert (found.state, found.exit_code) == ("diverged", 12) and "does not contain c3" in found.message


@pytest.mark.parametrize(
    ("run", "hopeless", "told"),
    [
        ({"outcome": "failed", "fatal": True, "error": "no\ncolumn"}, True, "it will not be tried again: no"),
        ({"outcome": "failed", "last_attempt": True}, True, "will not be tried again"),
        ({"outcome": "refused", "fatal": True, "error": "protected"}, True, "was refused, and it will not"),
        ({"outcome": "failed", "error": "lock"}, False, "failed: lock"),
        ({"outcome": "terminated", "fatal": True}, False, "was terminated"),
        ({"outcome": "running"}, False, "began at then and has not reported its end"),
        ({"outcome": "done"}, False, ""),
    ],
)  # fmt: skip
def test_the_newest_run_is_told(run: dict[str, Any], hopeless: bool, told: str) -> None:
    """What the run that was to bring the database here came to, and whether there is anything to wait for."""
    found = judge.judge(json.dumps(answer("a1", pieces=ledger(run=run))), ONE)
    assert (found.state, found.hopeless) == ("behind", hopeless) and told in found.message
    assert found.run is not None and found.run["outcome"] == run["outcome"]


@pytest.mark.parametrize(
    ("locks", "told", "mend"),
    [
        (["kall"], "began at then and has not reported its end, and its session is gone", "migrate) again: it finishes"),
        (["kall", f"k{MINE}"], "is under way since then", "or look why it failed"),
        ([f"k{MINE}"], "has not reported its end", "migrate) again: it finishes"),
        (["kall", "kodd"], "has not reported its end", "migrate) again: it finishes"),
    ],
)  # fmt: skip
def test_a_run_that_has_not_ended_lives_as_long_as_its_lock(locks: list[str], told: str, mend: str) -> None:
    """Under way only while its lock is held; gone where all locks are known; else nothing is said of its session."""
    found = judge.judge(json.dumps(answer("a1", pieces=[*ledger(run={"outcome": "running"}), *locks])), ONE)
    assert told in found.message and mend in found.mend
    assert ("its session is gone" in found.message) == (locks == ["kall"])


@pytest.mark.parametrize(
    ("run", "mend"),
    [
        ({"outcome": "failed", "fatal": True}, "mend the revision"),
        ({"outcome": "failed", "last_attempt": True}, "see to what it failed for"),
        ({"outcome": "refused", "fatal": True}, "see to what it was refused for"),
        ({"outcome": "failed"}, "run the migration Job (python"),
    ],
)  # fmt: skip
def test_what_failed_for_good_is_not_to_be_run_again_as_it_is(run: dict[str, Any], mend: str) -> None:
    """The mend of a run that nobody tries again begins with its cause; and only the first line of the error is told."""
    found = judge.judge(json.dumps(answer("a1", pieces=ledger(run={**run, "error": "first\nsecond"}))), ONE)
    assert found.mend.startswith(mend) and found.message.endswith(": first")


def test_a_failed_run_does_not_matter_once_the_database_is_ready() -> None:
    """At head is at head."""
    found = judge.judge(json.dumps(answer("c3", pieces=ledger(run={"outcome": "failed", "fatal": True}))), ONE)
    assert found.ready and not found.hopeless


DRIFT = {"same": False, "recorded": '[["column", "public.a.note", "text"]]', "found": []}


@pytest.mark.parametrize(
    ("deep", "pieces", "state", "told"),
    [
        ({"same": True}, ["sreadable"], "at_head", "as this image expects"),
        (DRIFT, ["sreadable"], "drifted", "column public.a.note is missing (text)"),
        ({"majors": ["17"]}, ["sreadable"], "unproven", "taken by PostgreSQL 17, and this server runs 18"),
        ({"majors": None}, ["sreadable"], "unproven", "no fingerprint is recorded"),
        ({"majors": None}, ["smissing"], "unproven", "there is no ledger"),
        ({"majors": None}, ["sunreadable"], "unproven", "can't be read by this role"),
        ({"same": None}, ["sreadable"], "unproven", "no fingerprint"),
        ({"same": False, "recorded": None}, ["sreadable"], "unproven", "no fingerprint"),
    ],
)  # fmt: skip
def test_depth(deep: dict[str, Any], pieces: list[str], state: str, told: str) -> None:
    """Only a fingerprint that is there, and the same, is a pass; a difference is named, its absence is an error."""
    found = judge.judge(json.dumps(answer("c3", deep=deep, pieces=pieces)), ONE)
    assert (found.state, found.exit_code) == (state, verdict.EXIT_CODES[state]) and told in found.message
    assert found.deep == (state != "unproven")


def test_depth_does_not_hide_a_stamp_that_is_not_ready() -> None:
    """A database that is behind is behind, whatever its fingerprint says."""
    assert judge.judge(json.dumps(answer("a1", deep={"same": True})), ONE).state == "behind"


@pytest.mark.parametrize("row", ["{}", "[]", "null", json.dumps({"state": "at_head"})])
def test_what_is_no_answer_is_an_error(row: str) -> None:
    """Never a pass."""
    with pytest.raises(ValueError, match="not the answer"):
        judge.judge(row, ONE)


def test_a_policy_that_is_none_is_an_error() -> None:
    """Never the more lenient one."""
    with pytest.raises(ValueError, match="allowed are allow, refuse"):
        judge.judge(json.dumps(answer("c3")), ONE, "alow")


_IDS = st.sampled_from(["a1", "b2", "c3", "x9", "d4", "e5", ""])


@given(st.sets(_IDS), st.sampled_from([ONE, TWO]), st.booleans(), st.integers(0, 2))
def test_only_the_heads_are_ready(rows: set[str], wanted: Expected, may_read: bool, tables: int) -> None:
    """Under the strict policy nothing is ready but exactly the heads of the image, readable."""
    said = answer(*rows, tables=tables, place=["public", "alembic_version", "r", True, may_read, False])
    found = judge.judge(json.dumps(said), wanted, judge.REFUSE)
    assert found.ready == (may_read and tuple(sorted(rows)) == wanted.heads)


@given(st.lists(st.text(max_size=30), max_size=6))
def test_pieces_that_are_damaged_are_no_permission(words: list[str]) -> None:
    """Whatever comes along of the ledger: garbage never makes an image accept what the policy refuses."""
    found = judge.judge(json.dumps(answer("d4", pieces=[f"p{each}" for each in words])), ONE, judge.REFUSE)
    assert not found.ready
