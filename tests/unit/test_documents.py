"""README and docs: their tables are what the code has, and what they link to is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import documents

_PAGES = [
    documents.ROOT / "README.md",
    documents.ROOT / "CHANGELOG.md",
    *sorted((documents.ROOT / "docs").glob("*.md")),
]
_SOURCES = sorted([*(documents.ROOT / "src").rglob("*.py"), *(documents.ROOT / "tasks").glob("*.py")])
_ERRORS = (documents.ROOT / "docs" / "errors.md").read_text(encoding="utf-8")

_FAULTS = {"Fault", "WrongRequest", "ProjectFault", "DatabaseFault", "JudgedFault", "RefusedFault"}
_FIRST_ARGUMENT = {*_FAULTS, "Problem", "TargetFailed"}
_KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")
# Texts of that form that are no codes.
_NO_CODES = {
    "cache-control",
    "controller-revision-hash",
    "dist-packages",
    "create-database",
    "given-url",
    "no-store",
    "not-ready",
    "one-off",
    "site-packages",
    "stillroom-connection",
    "stillroom-scratch",
    "stillroom-session",
    "stillroom-signals",
    "stillroom-scratch-lock",
    "uuid-ossp",
    "wrong-request",
    # Containers, objects and fields of manifests.
    "stillroom-config",
    "stillroom-operator",
    "before-hook-creation",
    "hook-delete-policy",
    "render-manifests",
    "sync-options",
    "sync-wave",
    "verify-database",
    "wait-for-database",
}
# Codes that are put together: the expression, and what comes of it.
_MADE = {
    "f'{name}-missing'": {"alembic-missing", "sqlalchemy-missing"},
    "f'{name}-broken'": {"alembic-broken", "sqlalchemy-broken"},
    "f'{name}-old'": {"alembic-old", "sqlalchemy-old"},
}


def _rows(section: str = "") -> set[str]:
    """The codes of the page, or of one section of it."""
    text = _ERRORS
    if section:
        text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    first = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return {code for cell in first for code in re.findall(r"`([a-z-]+)`", cell)}


def _named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a node that are codes by where they stand."""
    if isinstance(node, ast.Call):
        if _named(node) in _FIRST_ARGUMENT and node.args:
            yield node.args[0]
        if _named(node) == "_tell":
            yield node.args[1]
        yield from (each.value for each in node.keywords if each.arg == "code")
    elif isinstance(node, ast.ClassDef):
        for each in node.body:
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "code":
                yield each.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "code":
                yield value


def _codes() -> set[str]:
    """Every code in the source: what stands where codes stand, and whatever else looks like one."""
    found: set[str] = set()
    flags = {flag for name in ("common", *_commands()) for flag in _flags(name)}
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for each in _said(node):
                found |= _MADE.get(ast.unparse(each), set())
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    found.add(each.value)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEBAB.fullmatch(node.value):
                found |= {node.value} - flags
    return found - _NO_CODES


def _commands() -> list[str]:
    from stillroom.tasks import namespace

    return sorted(namespace.task_names)


def _flags(name: str) -> list[str]:
    return re.findall(r"^\| `--([a-z-]+)", documents.option_table(name), re.MULTILINE)


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    """docs/errors.md holds the codes of the source, all and no others."""
    # `lock-timeout` is a flag as well as a code.
    assert _rows() == _codes() | {"lock-timeout"} | {"unknown"}


def test_codes_that_are_put_together_are_known() -> None:
    """A code of an expression that is new has to be listed above, or the page may lack it."""
    made = {
        ast.unparse(each)
        for path in _SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for each in _said(node)
        if isinstance(each, ast.JoinedStr)
    }
    assert made == set(_MADE)


@pytest.mark.parametrize(
    ("kind", "section"), [("RefusedFault", "Refused"), ("JudgedFault", "Judged: what was generated is wrong")]
)
def test_the_section_of_a_code_says_its_kind(kind: str, section: str) -> None:
    """What exits with 4 stands under Refused; what was generated wrongly, under Judged."""
    raised = {
        node.args[0].value
        for path in _SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _named(node) == kind and node.args and isinstance(node.args[0], ast.Constant)
    }
    assert raised - _rows(section) == set()


def test_tables_of_options_are_those_of_the_commands() -> None:
    """docs/commands.md was written anew after the last change (`python -m tests.support.documents`)."""
    text = documents.COMMANDS.read_text(encoding="utf-8")
    assert documents.with_tables(text) == text
    assert set(documents.tables(text)) == {"common", *_commands()}


def test_every_help_has_an_example_that_is_a_command() -> None:
    """One line below its text; its flags are those of the command."""
    from stillroom.tasks import namespace

    for name in _commands():
        example = re.findall(r"^ *Example: (.*)$", namespace[name].__doc__ or "", re.MULTILINE)
        assert len(example) == 1, name
        assert re.search(rf"\binvoke {name}\b", example[0]), example
        known = {*_flags(name), *_flags("common")}
        assert set(re.findall(r"--([a-z-]+)", example[0])) <= known, example


def test_every_command_stands_in_the_readme() -> None:
    """With its row in the table."""
    text = (documents.ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \| `.*invoke \1\b", text, re.MULTILINE)
    assert set(rows) == set(_commands())


def test_codes_in_the_readme_are_codes() -> None:
    """What its table of failures names is on the page of all codes."""
    text = (documents.ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("## When something fails")[2].partition("\n## ")[0]
    named = {
        code for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for code in _KEBAB.findall(row.split(":")[0])
    }
    assert len(named) > 10
    assert named - _rows() == set()


@pytest.mark.parametrize("path", _PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Files that are linked exist, and so do the headings in them."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        linked = (path.parent / name) if name else path
        assert linked.exists(), f"{path.name}: {target}"
        if heading:
            assert heading in _headings(linked.read_text(encoding="utf-8")), f"{path.name}: {target}"


def _headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_page_that_is_not_true_is_seen(tmp_path: Path) -> None:
    """What the examples are compared with: lines, elisions, keys and kinds of JSON."""
    shown = documents.normal("auth  ✓ 3.1 s\nlocalhost:5432/auth\n", tmp_path)
    assert documents.same(shown, documents.normal("auth ✓ 12.9 s\n\nlocalhost:20707/auth", tmp_path))
    assert not documents.same(shown, documents.normal("auth ✗ 12.9 s\nlocalhost:20707/auth", tmp_path))
    assert documents.same(["a", "…", "d"], ["a", "b", "c", "d"])
    assert not documents.same(["a", "…", "d"], ["a", "b", "c"])
    assert documents.unlike({"a": [{"b": 1}], "c": ""}, {"a": [{"b": 2.5}], "c": "x"}) == []
    assert documents.unlike({"a": [{"b": 1}], "c": ""}, {"a": [{"b": True}], "d": ""}) == [
        "$.c is shown, and not printed",
        "$.d is printed, and not shown",
        "$.a[].b is shown as 1, and printed as True",
    ]
