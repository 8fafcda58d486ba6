"""`.env` files, read as python-dotenv documents them."""

from __future__ import annotations

import pytest

from stillroom.runtime.projects import env_file


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("# nothing\n\n  \nexport A=1 # one\n", {"A": "1"}),
        ("A=pa#ss\nB=#none\n", {"A": "pa#ss", "B": ""}),
        ("A='it \\'is\\' # so' # not so\nB=\"x\\ty\\\"\"", {"A": "it 'is' # so", "B": 'x\ty"'}),
        ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ("A=x\r\nB=${A}/${HOME}/${NO:-z}/${NO}\r\n", {"A": "x", "B": "x/here/z/"}),
        ("A=file\nHOME=there\nB=${HOME}", {"A": "file", "HOME": "there", "B": "here"}),
        ("URL=postgresql://me:p%40$1@h/d?x=1\n", {"URL": "postgresql://me:p%40$1@h/d?x=1"}),
        ("NAME\nA=\n", {"A": ""}),
        ("", {}),
    ],
)
def test_what_a_file_says(text: str, found: dict[str, str]) -> None:
    """Comments, quotes, several lines, references; the environment goes before the file."""
    assert env_file.parse(text, {"HOME": "here"}) == found


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\nhunter2 is it\n", 2), ("A='1\n", 1), ("\n# x\n=3\n", 3), ("A='a'b", 1)]
)
def test_a_line_that_says_nothing_is_told_by_its_number(text: str, line: int) -> None:
    """Not by what stands in it, which may be a password."""
    with pytest.raises(ValueError, match=rf"^line {line} is no NAME=value$"):
        env_file.parse(text, {})
