"""What comes from a target is checked before it is kept; two histories are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stillroom import errors
from stillroom.history import compare, verify

GOOD = b"""from alembic import op
revision = "abc"
down_revision = None

def upgrade():
    op.create_table("t")
"""


def check(name: str = "abc_baseline.py", content: bytes = GOOD, **announced: object) -> None:
    """`check_file`, with what was announced being true unless told otherwise."""
    size = announced.get("size", len(content))
    sha256 = announced.get("sha256", hashlib.sha256(content).hexdigest())
    assert isinstance(size, int)
    verify.check_file(name, size, str(sha256), content, revision=str(announced.get("revision", "abc")))


@pytest.mark.parametrize(
    "name",
    ["abc.py", "2026_11_22-abc_baseline.py", "_abc.py", "größe_abc.py", "a b.py", "1a2b.c.py", "a" * 252 + ".py"],
)
def test_a_whole_file_with_a_plain_name_is_accepted(name: str) -> None:
    """Whatever Alembic's file templates make."""
    check(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".py",
        "abc",
        "abc.pyc",
        "abc.py ",
        "abc.py\n",
        "../abc.py",
        "..py",
        "a..py",
        "/etc/abc.py",
        "sub/abc.py",
        "sub\\abc.py",
        "C:abc.py",
        ".abc.py",
        "-rf.py",
        "a\0.py",
        "a\nb.py",
        "__init__.py",
        "__main__.py",
        "env.py",
        "con.py",
        "LPT1.x.py",
        "a\u202eyp.py",
        "a" * 253 + ".py",
        "ü" * 127 + ".py",
        "\ud800.py",
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    """Nothing that a target sends names a place outside the folder, or a file with a meaning of its own."""
    with pytest.raises(errors.StillroomError, match="no plain name") as caught:
        check(name)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content": b""}, "Migration file is empty (0 bytes): abc_baseline.py"),
        ({"content": b"", "size": 7}, "empty (0 bytes of 7 announced)"),
        ({"size": len(GOOD) + 1}, f"{len(GOOD)} bytes of the {len(GOOD) + 1}"),
        ({"content": GOOD[:-1], "size": len(GOOD)}, f"{len(GOOD) - 1} bytes of the {len(GOOD)}"),
        ({"sha256": "0" * 64}, "SHA-256 is not the one announced"),
        ({"sha256": ""}, "SHA-256 is not the one announced"),
        ({"size": 1 << 30}, "a revision file may have 8388608"),
        ({"content": b"#" * ((8 << 20) + 1)}, "a revision file may have 8388608"),
        ({"content": GOOD + b"# \xff\n"}, "is not UTF-8 (byte"),
        ({"content": GOOD + b"x = (\n"}, "does not parse"),
        ({"content": b"x = 1\n"}, "has no `revision`"),
        ({"revision": "other"}, "holds revision 'abc', not the 'other'"),
        ({"content": GOOD.replace(b'op.create_table("t")', b"pass")}, "no operation in `upgrade`"),
        ({"content": GOOD.replace(b"def upgrade", b"def other")}, "no operation in `upgrade`"),
    ],
)
def test_a_file_that_is_not_what_was_made_is_refused(change: dict[str, object], words: str) -> None:
    """Empty, cut, swapped, unreadable, another revision, doing nothing: each with its own message and mend."""
    with pytest.raises(errors.StillroomError) as caught:
        check(**change)  # type: ignore[arg-type]
    assert words in caught.value.message
    assert caught.value.mend


def revision(id_: str, down: str | None, note: str = "") -> bytes:
    """A small revision file."""
    return f'"""step {id_}"""\nrevision = {id_!r}\ndown_revision = {down!r}\n{note}\n'.encode()


def test_equal_histories_are_the_same_whatever_helpers_lie_there() -> None:
    """`__init__.py` is no part of a history."""
    files = {"2_b.py": revision("b", "a"), "1_a.py": revision("a", None)}
    found = compare.compare({**files, "__init__.py": b""}, files)
    assert found.same
    assert not found.behind
    assert found.lines() == [
        "both       a  step a  (1_a.py)",
        "both       b  step b  (2_b.py)",
        "identical here and on the target (2 files)",
    ]


def test_what_differs_is_told_file_by_file() -> None:
    """Only here, only there, differing and how; both histories in order."""
    local = {
        "a.py": revision("a", None),
        "b.py": revision("b", "a", "x = 1"),
        "c.py": revision("c", "b"),
        "x.py": b"a\nb\n",
    }
    target = {
        "a.py": revision("a", None),
        "b.py": revision("b", "a", "x = 2"),
        "d.py": revision("d", "b"),
        "x.py": b"a\r\nb\r\n",
        "y.py": b"",
    }
    found = compare.compare(local, target)
    assert (found.identical, found.only_here, found.only_there) == (("a.py",), ("c.py",), ("d.py", "y.py"))
    assert not found.same
    assert found.behind
    assert found.lines()[:4] == [
        "both       a  step a  (a.py)",
        "differs    b  step b  (b.py)",
        "here       c  step c  (c.py)",
        "target     d  step d  (d.py)",
    ]
    assert found.lines()[4].startswith("differs    ?  x.py lies in the versions folder and has no `revision`")
    assert found.lines()[5].startswith("target     ?  y.py is empty (0 bytes)")
    assert found.lines()[6:] == [
        "only here: c.py",
        "only on the target: d.py",
        "only on the target: y.py",
        f"differs: b.py: {len(local['b.py'])} bytes here, {len(target['b.py'])} there; the first difference is in line 4",
        "differs: x.py: only in its line ends",
    ]


def test_only_files_here_leave_the_target_not_ahead() -> None:
    """Nothing on the target would be lost."""
    found = compare.compare({"a.py": revision("a", None)}, {})
    assert (found.same, found.behind) == (False, False)


def test_an_empty_file_on_one_side_is_said() -> None:
    """003's 0-byte files."""
    found = compare.compare({"a.py": revision("a", None)}, {"a.py": b""})
    assert "empty on the target (0 bytes)" in str(found.differing[0])


def test_a_longer_file_differs_behind_the_end_of_the_shorter() -> None:
    """The line is the first that only one of them has."""
    found = compare.compare({"a.py": b"a\n"}, {"a.py": b"a\nb\n"})
    assert str(found.differing[0]).endswith("the first difference is in line 2")


@pytest.mark.parametrize("name", ["2026/abc_.py", "2026/07/abc_.py"])
def test_folders_below_are_right_where_alembic_looks_into_them(tmp_path: Path, name: str) -> None:
    """And wrong where it does not."""
    verify.check_name(name, [tmp_path])
    with pytest.raises(errors.StillroomError):
        verify.check_name(name)


@pytest.mark.parametrize(
    "name", ["../abc.py", "/abc.py", "2026/../../abc.py", ".git/abc.py", "2026//abc.py", "a\\b/c.py"]
)
def test_no_name_leads_out_of_the_folders(tmp_path: Path, name: str) -> None:
    """Whatever folders there are below."""
    with pytest.raises(errors.StillroomError):
        verify.check_name(name, [tmp_path])


def test_a_link_among_the_folders_below_leads_nowhere(tmp_path: Path) -> None:
    """A folder that is a link out of the versions folder takes no file."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "2026").symlink_to(tmp_path)
    with pytest.raises(errors.StillroomError):
        verify.check_name("2026/abc.py", [tmp_path / "versions"])
