"""YAML read as data that knows its places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.registry import positions
from tests.unit import registry_help

_TEXT = st.text(st.characters(categories=("L", "N", "P", "S")) | st.just(" "), max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_DATA = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4), max_leaves=15
)


@registry_help.ANY_TIME
@given(_DATA)
def test_json_is_read_as_what_it_means(data: Any) -> None:
    """JSON is YAML: whatever json writes comes back equal, of the same types."""
    read = positions.read(json.dumps(data, ensure_ascii=False, indent=1)).data
    assert read == data
    assert json.dumps(read) == json.dumps(data)


@registry_help.ANY_TIME
@given(st.dictionaries(_TEXT, st.dictionaries(_TEXT, st.lists(_TEXT, max_size=3), max_size=3), min_size=1, max_size=4))
def test_every_place_is_where_the_text_is(data: dict[str, dict[str, list[str]]]) -> None:
    """At the line and column of a path stands its key, or its value where it is an item of a list."""
    text = json.dumps(data, ensure_ascii=False, indent=2)
    lines = text.splitlines()
    document = positions.read(text)
    expected = {(key,): key for key in data}
    expected |= {(key, inner): inner for key, value in data.items() for inner in value}
    items = {
        (key, inner, index): item
        for key, value in data.items()
        for inner, each in value.items()
        for index, item in enumerate(each)
    }
    for path, written in (expected | items).items():
        line, column = document.place(path)
        assert lines[line - 1][column - 1 :].startswith(json.dumps(written, ensure_ascii=False))


@pytest.mark.parametrize(
    "written", ["no", "yes", "on", "off", "y", "0123", "1:30", "2026-01-01", "1_000", "0x1F", ".inf"]
)
def test_what_only_old_yaml_takes_for_something_else_is_text(written: str) -> None:
    """Values that YAML 1.1 reads as truth values, octal or sexagesimal numbers and dates are the text written."""
    assert positions.read(f"key: {written}").data == {"key": written}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-1.5", -1.5),
        ("1e3", 1e3),
    ],
)
def test_the_core_schema_is_kept(written: str, value: object) -> None:
    """What editors take for truth values, nothing and numbers is that."""
    read = positions.read(f"key: {written}").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_quoted_and_tagged_text_stays_text() -> None:
    """Quotes and an explicit tag make a text of anything."""
    assert positions.read("{a: 'true', b: \"12\", c: !!str 12}").data == {"a": "true", "b": "12", "c": "12"}


@pytest.mark.parametrize("key", ["no", "on", "true", "null", "~", "0123", "12", "1.0"])
def test_keys_are_what_is_written(key: str) -> None:
    """A service may be called `no` or `12`."""
    assert positions.read(f"{key}: {{}}").data == {key: {}}


def test_the_first_of_two_equal_keys_counts() -> None:
    """Both places of a duplicate are known, and `place` means the first."""
    document = positions.read("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert document.duplicates == [
        positions.Duplicate(("b", "c"), (3, 3), (2, 5)),
        positions.Duplicate(("a",), (4, 1), (1, 1)),
    ]
    assert document.place(("a",)) == (1, 1)


def test_a_path_that_does_not_exist_is_at_its_nearest_parent() -> None:
    """A missing key is blamed on the mapping that lacks it."""
    document = positions.read("a:\n  b: {c: 1}\n")
    assert document.place(("a", "b", "x", "y")) == (2, 3)
    assert document.place(("x",)) == (1, 1)


def test_the_text_of_a_scalar_is_as_written() -> None:
    """Numbers keep their spelling; what is no scalar has no text."""
    document = positions.read("a: 1.50\nb: [x]\n")
    assert document.text(("a",)) == "1.50"
    assert document.text(("b", 0)) == "x"
    assert document.text(("b",)) is None
    assert document.text(("c",)) is None


def test_scalars_come_with_their_paths_and_aliases_once() -> None:
    """Every scalar value is given, what an alias repeats only at its first place."""
    document = positions.read("a: &x {b: 1}\nc: *x\nd: [e, f]\n")
    assert list(document.scalars()) == [(("a", "b"), "1"), (("d", 0), "e"), (("d", 1), "f")]


def test_aliases_of_aliases_cost_nothing() -> None:
    """A file whose aliases would unfold to a billion values is read at once, since shared parts are built once."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    document = positions.read("\n".join(lines))
    assert document.data["a59"][0] is document.data["a59"][1]
    assert len(list(document.scalars())) == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1,\n}", (2, 1)),
        ("a: 'x\n", (1, 4)),
        ("a:\n\t- b", (2, 1)),
        ("a: b: c", (1, 5)),
        ("*x", (1, 1)),
        ("a:\n  b: c\n d: e\n", (3, 2)),
    ],
)
def test_broken_syntax_is_located(text: str, place: tuple[int, int]) -> None:
    """A text that is not YAML says where it stops being YAML."""
    with pytest.raises(positions.SyntaxMistake) as caught:
        positions.read(text)
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n  b\n  c:\n    d: 1\n", (2, 3)),
        ("a:\n  b\n  # a remark\n\n    c: 1\n", (2, 3)),
        ("a\n  b: 1\n", (1, 1)),
        ("a\nb:\n", (1, 1)),
        ("a:\n  b: 1\n  c 2\n  d: 3\n", (3, 3)),
        ("a:\n  b:2\n  c: 3\n", (2, 3)),
        ("a:\n  b:\n  c\n", (3, 3)),
    ],
)
def test_a_missing_colon_is_told_in_its_own_line(text: str, place: tuple[int, int]) -> None:
    """The parser stumbles in the next line only."""
    with pytest.raises(positions.SyntaxMistake, match="in this line a colon is missing") as caught:
        positions.read(text)
    assert caught.value.place == place


def test_nesting_without_end_is_a_mistake_and_no_crash() -> None:
    """A thousand brackets are refused in words."""
    with pytest.raises(positions.SyntaxMistake, match="nested too deeply"):
        positions.read("[" * 5000 + "]" * 5000)


@pytest.mark.parametrize("text", ["!!int x", "!!float x", "9" * 5000])
def test_a_number_that_is_none_is_text(text: str) -> None:
    """What claims to be a number and cannot be read as one stays text, for the shape to refuse."""
    assert isinstance(positions.read(f"a: {text}").data["a"], str)
