"""What `invoke status` says below its table."""

from __future__ import annotations

import dataclasses

from stillroom import status


def at(name: str, state: str, message: str = "", mend: str = "") -> status.Status:
    """A service's status."""
    return status.Status(name, state, None, None, 0, message, mend)


def test_services_for_which_the_same_is_due_share_a_line() -> None:
    """What is pending is told of each; the command once for all, after what needs a decision."""
    found = [
        at("auth", "at_head"),
        at("pos", "behind", "1 revision is pending: b", "invoke apply --service pos"),
        at("old", "ahead", "the code does not have x", "a newer release: …; a replaced history: …"),
        at("sales", "empty", "", "invoke apply --service sales"),
        at("fresh", "no_migrations", "", "invoke regenerate --service fresh"),
    ]
    assert status.notes(found) == [
        ("pos: 1 revision is pending: b", ""),
        ("old: the code does not have x", "a newer release: …; a replaced history: …"),
        ("", "invoke apply --service pos,sales"),
        ("", "invoke regenerate --service fresh"),
    ]
    assert status.notes(found[3:4], environment="staging") == [
        ("", "invoke apply --service sales --environment staging"),
    ]
    assert status.notes(found[3:4], everything=["sales"]) == [("", "invoke apply")]


def test_an_index_that_is_invalid_is_told_whatever_the_state() -> None:
    """With the statements that mend it, beside what the state itself needs."""
    again = "DROP INDEX CONCURRENTLY ix; CREATE INDEX CONCURRENTLY ix ON t USING btree (a);"
    found = dataclasses.replace(at("auth", "at_head"), invalid_indexes=({"name": "ix", "again": again},))
    assert status.notes([found]) == [
        ("auth: the index ix is INVALID, so no query uses it: making it had failed", again),
    ]


def test_a_state_that_needs_nothing_is_not_mentioned() -> None:
    """The table says it."""
    assert status.notes([at("auth", "at_head")]) == []
