"""Documentation that is held to what it says: its examples are run, its tables compared with the commands.

A block of ```` ```console ```` is run line by line (`$ …`) in a copy of the example fleet, and what follows each line is
what has to come out, progress lines apart. A line `…` stands for any lines. A block of ```` ```diff ```` is applied.
A comment above a block says what is unusual: `<!-- exits 4 -->`, or, above ```` ```json ````, `<!-- prints: invoke … -->`:
the document that this command prints has these keys, with values of these kinds.

`python -m tests.support.documents` writes the generated tables of options into docs/commands.md.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.support import program

__all__ = [
    "COMMANDS",
    "ROOT",
    "Block",
    "Page",
    "Stage",
    "normal",
    "option_table",
    "same",
    "split_help",
    "tables",
    "unlike",
    "with_tables",
]

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "docs" / "commands.md"

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^>]*) -->\n)?^(?P<indent> *)```(?P<kind>[a-z]+)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_TABLE = re.compile(r"<!-- options: (?P<name>[a-z-]+) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)
_ANYTHING = "…"
_PLACE = "/srv/bakery"

# What differs from machine to machine and from day to day, in the order in which it is made the same.
_VARIES = (
    (re.compile(r"^(?:[a-z ]+: \d+ services?|\[\d+/\d+\] .*)\n", re.MULTILINE), ""),  # progress, without a terminal
    (re.compile(r"\b\d{8}T\d{6}(?:\.\d+)?Z"), "STAMP"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"(localhost|127\.0\.0\.1):\d+"), r"\1:PORT"),
    (re.compile(r"postgres:[\w-]{20,}@"), "postgres:PASSWORD@"),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "VERSION"),
    (re.compile(r"\b\d+\.\d+\b"), "N.N"),
    (re.compile(r"\b\d{1,3}(?:,\d{3})+\b"), "NNNN"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its text, the comment above it, and the line on which it begins."""

    kind: str
    text: str
    mark: str
    line: int


class Page:
    """A Markdown page of this repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")

    def blocks(self, *kinds: str) -> list[Block]:
        """Its blocks of these kinds, from top to bottom."""
        return [
            Block(
                found["kind"],
                textwrap.dedent(found["text"]),
                found["mark"] or "",
                self.text.count("\n", 0, found.start("text")),
            )
            for found in _FENCE.finditer(self.text)
            if found["kind"] in kinds
        ]

    def where(self, block: Block) -> str:
        """`README.md:12`, for messages."""
        return f"{self.path.relative_to(ROOT)}:{block.line}"


class Stage:
    """A copy of the example fleet, without any history, in which a page is played from top to bottom."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        versions = shutil.ignore_patterns("__pycache__", "*_*.py")

        def unwanted(place: str, names: list[str]) -> set[str]:
            return set(versions(place, names)) if Path(place).name == "versions" else {"__pycache__"} & set(names)

        shutil.copytree(ROOT / "examples", folder / "examples", ignore=unwanted)
        for name in ("services.yaml", "tasks.py", ".gitignore"):
            shutil.copy(ROOT / name, folder / name)
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The fleet"]):
            self._git(*arguments)
        self.program = program.Program(folder)

    def play(self, page: Page) -> None:
        """Runs the blocks of a page; fails at the first that is not true."""
        for block in page.blocks("console", "diff", "json"):
            if block.kind == "diff":
                self._git("apply", "-", typed=block.text)
            elif block.kind == "console":
                self._console(page, block)
            elif block.mark.startswith("prints: "):
                self._json(page, block)

    def _console(self, page: Page, block: Block) -> None:
        said = int(block.mark.removeprefix("exits ")) if block.mark else 0
        for command, expected in _commands(block.text):
            code, printed = self._run(command)
            shown, told = normal(expected, self.folder), normal(printed, self.folder)
            assert same(shown, told), f"{page.where(block)}: $ {command}\n" + "\n".join(
                difflib.unified_diff(shown, told, "page", "command", lineterm="")
            )
            assert code == said, f"{page.where(block)}: it exits with {code}, and {said} is said\n{printed}"

    def _json(self, page: Page, block: Block) -> None:
        _, *arguments = shlex.split(block.mark.removeprefix("prints: "))
        ran = self.program.run(*arguments)
        differences = unlike(json.loads(block.text), ran.json)
        assert not differences, f"{page.where(block)}: " + "\n".join(differences) + f"\n{ran.told}"

    def _run(self, command: str) -> tuple[int, str]:
        """Exit code, and both streams as one, in the order in which a person sees them."""
        # `make demo` installs, and then runs this.
        words = shlex.split("invoke regenerate --yes --apply" if command == "make demo" else command)
        assert words[0] == "invoke", f"only invoke is run: {command}"
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env={**os.environ, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        return done.returncode, done.stdout

    def _git(self, *arguments: str, typed: str = "") -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, input=typed, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def normal(text: str, folder: Path) -> list[str]:
    """The lines of an output, with all made the same that is not the same everywhere; blank ones left out."""
    text = text.replace(str(folder.resolve()), _PLACE).replace(str(folder), _PLACE)
    for pattern, same in _VARIES:
        text = pattern.sub(same, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _commands(text: str) -> list[tuple[str, str]]:
    """Each `$ command` of a block with the text below it."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"a console block begins with a command: {text}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def same(shown: list[str], told: list[str]) -> bool:
    """Whether the lines are equal, where `…` stands for any number of them."""
    if not shown:
        return not told
    if shown[0] == _ANYTHING:
        return any(same(shown[1:], told[at:]) for at in range(len(told) + 1))
    return bool(told) and shown[0] == told[0] and same(shown[1:], told[1:])


def unlike(shown: Any, printed: Any, where: str = "$") -> list[str]:
    """How a printed document differs from the shown one in its keys and in the kinds of its values."""
    if shown is None or printed is None:
        return []
    if isinstance(shown, dict) and isinstance(printed, dict):
        if _ANYTHING in shown:
            shown = {key: value for key, value in shown.items() if key != _ANYTHING}
            printed = {key: value for key, value in printed.items() if key in shown}
        found = [f"{where}.{key} is shown, and not printed" for key in shown.keys() - printed.keys()]
        found += [f"{where}.{key} is printed, and not shown" for key in printed.keys() - shown.keys()]
        for key in sorted(shown.keys() & printed.keys()):
            found += unlike(shown[key], printed[key], f"{where}.{key}")
        return found
    if isinstance(shown, list) and isinstance(printed, list):
        if not shown or not printed:
            return []
        return [each for item in printed for each in unlike(shown[0], item, f"{where}[]")]
    numbers = isinstance(shown, int | float) and isinstance(printed, int | float)
    same = type(shown) is type(printed) or (numbers and not isinstance(shown, bool) and not isinstance(printed, bool))
    return [] if same else [f"{where} is shown as {shown!r}, and printed as {printed!r}"]


_VALUED = re.compile(r"(?P<value>[A-Z]+): (?P<first>.)(?P<rest>.*)", re.DOTALL)


def option_table(name: str) -> str:
    """Options as a Markdown table, from what `--help` is made of.

    Args:
        name: of a command, for those that it has beside the common ones; or `common`, for those that all have.
    """
    options = _options()
    common = set.intersection(*(set(each) for each in options.values()))
    flags = common if name == "common" else set(options[name]) - common
    if not flags:
        return "It has no options of its own.\n"
    rows = ["| option | what it does |", "|---|---|"]
    for flag in sorted(flags):
        argument = options["status" if name == "common" else name][flag]
        value, text = split_help(argument)
        rows.append(f"| `--{flag}{value and ' ' + value}` | {text} |")
    return "\n".join(rows) + "\n"


def split_help(argument: Any) -> tuple[str, str]:
    """What stands for the value of an option (empty: it takes none), and the sentence about it.

    Invoke prints `=STRING`, or nothing where an option may be repeated; so a help text begins with what it takes.
    """
    if argument.kind is bool:
        return "", argument.help
    found = _VALUED.fullmatch(argument.help)
    assert found, f"the help of {argument.names[0]} does not begin with what it takes (`NAME: …`): {argument.help}"
    return found["value"], found["first"].upper() + found["rest"]


@functools.cache
def _options() -> dict[str, dict[str, Any]]:
    """Command -> option -> Invoke's argument. Asked for once: a task forgets the help texts that it has given out."""
    from stillroom.tasks import namespace

    return {task: {each.names[0]: each for each in namespace[task].get_arguments()} for task in namespace.task_names}


def tables(text: str) -> dict[str, str]:
    """Command -> its table of options in a page; `common` for those of all."""
    return {found["name"]: found["table"] for found in _TABLE.finditer(text)}


def with_tables(text: str) -> str:
    """A page with its tables of options made anew."""

    def made(found: re.Match[str]) -> str:
        return f"<!-- options: {found['name']} -->\n{option_table(found['name'])}<!-- end -->"

    return _TABLE.sub(made, text)


if __name__ == "__main__":
    COMMANDS.write_text(with_tables(COMMANDS.read_text(encoding="utf-8")), encoding="utf-8")
