"""Where a service's migrations are, read from its alembic.ini as Alembic 1.12 to 1.20 would read it, importing nothing.

Also what `env.py` says of the version table, as far as its source tells.
"""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import faults, revision_head, source_text

__all__ = ["Locations", "VersionTable", "locations", "version_table_in_env"]

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_SPACE_COMMA = re.compile(r", *|(?: +)")  # what Alembic does where no separator is declared
_SPACE_COMMA_COLON = re.compile(r", *|(?: +)|\:")
_CONFIGURE_KEYWORDS = frozenset({"connection", "url", "dialect_name", "target_metadata", "version_table"})
_FILE_TEMPLATE = "%(rev)s_%(slug)s"


@dataclass(frozen=True)
class Locations:
    """What an alembic.ini says of where things are.

    Args:
        ini: the file.
        section: the section that was read.
        script_location: the folder of env.py.
        version_locations: the folders of revision files; the first is where new files go.
        recursive: `recursive_version_locations`.
        file_template: how new files are named.
        truncate_slug_length: how much of a message goes into a file's name.
        timezone: of a new file's date, or "".
        sourceless: Alembic would load `.pyc` files, too (they are not read here).
        prepend_sys_path: entries that the alembic command puts before `sys.path`, made absolute.
    """

    ini: Path
    section: str
    script_location: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    file_template: str
    truncate_slug_length: int
    timezone: str
    sourceless: bool
    prepend_sys_path: tuple[str, ...]


@dataclass(frozen=True)
class VersionTable:
    """The version table as `context.configure(...)` in an env.py names it.

    `table` and `schema` hold only where `known`; if not, `why` says what stands there instead of a constant.
    """

    table: str = "alembic_version"
    schema: str | None = None
    known: bool = True
    why: str = ""


def locations(
    ini_path: Path | str, section: str = "alembic", *, cwd: Path | None = None, script_location: str = ""
) -> Locations:
    """What `ini_path` says of where things are.

    Args:
        ini_path: the alembic.ini.
        section: `alembic -n`.
        cwd: what relative paths in it are relative to. Alembic means the folder it is started in; None means the
            folder of the file, where it nearly always is.
        script_location: overrides the file's.

    Raises:
        faults.ProjectFault: `config-missing`, `config-unreadable`, `config-section-missing`, `config-value`,
            `script-location-missing`, `package-missing`.
    """
    ini = Path(ini_path)
    base = (cwd or ini.parent).absolute()
    reader = _Ini(ini, section)
    place = script_location or reader.get("script_location")
    if not place:
        raise faults.ProjectFault(
            "script-location-missing",
            f"{ini}: section [{section}] has no `script_location`.",
            "Add `script_location = migrations` (the folder of env.py), or name it in the registry.",
        )
    prepended = tuple(str(base / each) for each in _prepended(reader))
    folder = _folder(place, base, prepended, ini)
    versions = tuple(_folder(each, base, prepended, ini) for each in _versions(reader))
    return Locations(
        ini=ini,
        section=section,
        script_location=folder,
        version_locations=versions or (folder / "versions",),
        recursive=reader.get("recursive_version_locations") == "true",
        file_template=reader.get("file_template") or _FILE_TEMPLATE,
        truncate_slug_length=_number(reader, "truncate_slug_length") or 40,
        timezone=reader.get("timezone"),
        sourceless=reader.get("sourceless") == "true",
        prepend_sys_path=prepended,
    )


def version_table_in_env(source: str | bytes | ast.Module) -> VersionTable:
    """What an env.py (its text, or its parsed tree) says of the version table; never executed.

    A name that is bound to a constant counts as that constant. Several calls of `configure` (online, offline) must agree.

    Raises:
        faults.ProjectFault: `env-does-not-parse`.
    """
    try:
        tree = source if isinstance(source, ast.Module) else revision_head.parse_module(source, "env.py")
    except SyntaxError as exc:
        raise faults.ProjectFault(
            "env-does-not-parse", f"env.py, line {exc.lineno or 1}: does not parse: {exc.msg}.", "Correct the file."
        ) from exc
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call) and _configures(node)]
    if not calls:
        return VersionTable(known=False, why="env.py does not call context.configure itself")
    scope = source_text.Scope(nodes, source_text.Scope(tree.body))
    found = {_table_of(call, scope) for call in calls}
    unknown = next((each for each in found if not each.known), None)
    if unknown is not None or len(found) == 1:
        return unknown or found.pop()
    return VersionTable(known=False, why="its calls of context.configure name different tables")


class _Ini:
    """One section of an ini file; a value is interpolated only when asked for, since env.py may fill the others."""

    def __init__(self, path: Path, section: str) -> None:
        self.path = path
        self.section = section
        self._parser = configparser.ConfigParser({"here": path.absolute().parent.as_posix()})
        try:
            self._parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
        except FileNotFoundError as exc:
            raise faults.ProjectFault(
                "config-missing", f"There is no {path}.", "Name the alembic.ini in the registry (`config:`)."
            ) from exc
        except (OSError, UnicodeDecodeError, configparser.Error) as exc:
            reason = " ".join(str(exc).split())
            raise faults.ProjectFault(
                "config-unreadable", f"{path} cannot be read: {reason}.", "Correct the file."
            ) from exc
        if not self._parser.has_section(section):
            there = ", ".join(f"[{each}]" for each in self._parser.sections()) or "none"
            raise faults.ProjectFault(
                "config-section-missing",
                f"{path} has no section [{section}]; it has {there}.",
                "Name the right one in the registry (`alembic -n`), or add it.",
            )

    def get(self, name: str) -> str:
        """The option's value, or ""."""
        try:
            return self._parser.get(self.section, name, fallback="") or ""
        except configparser.InterpolationError as exc:
            raise faults.ProjectFault(
                "config-value",
                f"{self.path}: `{name}` in [{self.section}] refers to something that is not there: "
                f"{self._parser.get(self.section, name, raw=True)}.",
                "Define what stands in `%(...)s` in the same section, or write `%%` for a plain percent sign.",
            ) from exc


def _versions(reader: _Ini) -> list[str]:
    text = reader.get("version_locations")
    if not text:
        return []
    separator = _separator(reader, "path_separator", "version_path_separator")
    if separator is None:
        return [each for each in _SPACE_COMMA.split(text) if each.strip()]
    return [each.strip() for each in text.split(separator) if each.strip()]


def _prepended(reader: _Ini) -> list[str]:
    text = reader.get("prepend_sys_path")
    if not text:
        return []
    separator = _separator(reader, "path_separator")
    if separator is None:
        return [each for each in _SPACE_COMMA_COLON.split(text) if each.strip()]
    return [each.strip() for each in text.split(separator) if each.strip()]


def _separator(reader: _Ini, *names: str) -> str | None:
    for name in names:
        value = reader.get(name)
        if value in _SEPARATORS:
            return _SEPARATORS[value]
        if value:
            raise faults.ProjectFault(
                "config-value",
                f"{reader.path}: `{name} = {value}` in [{reader.section}]; allowed are {', '.join(_SEPARATORS)}.",
                f"Write `{name} = os`.",
            )
    return None


def _number(reader: _Ini, name: str) -> int:
    value = reader.get(name)
    if value and not value.strip().isdigit():
        raise faults.ProjectFault(
            "config-value", f"{reader.path}: `{name} = {value}` is no number.", f"Write `{name} = 40`."
        )
    return int(value or 0)


def _folder(text: str, base: Path, prepended: Sequence[str], ini: Path) -> Path:
    """A folder as the ini file names it: a path, or `package.module:folder` inside an importable package."""
    if os.path.isabs(text) or ":" not in text:  # noqa: PTH117 - Alembic's own test
        return base / text
    package, *rest = text.split(":")
    top, *inner = package.split(".")
    for entry in (*prepended, *sys.path):
        candidate = Path(entry or ".", top)
        if candidate.is_dir():
            return candidate.joinpath(*inner, *rest)
    found = importlib.util.find_spec(top) if top.isidentifier() else None  # finders of editable installs; no import
    for entry in (found.submodule_search_locations or ()) if found is not None else ():
        return Path(entry).joinpath(*inner, *rest)
    raise faults.ProjectFault(
        "package-missing",
        f"{ini}: {text!r} names a folder inside the package {top!r}, which this interpreter does not find.",
        f"Install it where {sys.executable} finds it, or add `prepend_sys_path`.",
    )


def _configures(call: ast.Call) -> bool:
    """Whether this is `context.configure(...)`, not `structlog.configure(...)`."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "configure":
        return False
    owner = function.value.attr if isinstance(function.value, ast.Attribute) else source_text.root_name(function.value)
    return "context" in owner or any(each.arg in _CONFIGURE_KEYWORDS for each in call.keywords)


def _table_of(call: ast.Call, scope: source_text.Scope) -> VersionTable:
    table: str | None = "alembic_version"
    schema: str | None = None
    for keyword in call.keywords:
        if keyword.arg is None:
            inner = _from_dictionary(keyword.value, scope)
            if inner is not None:
                return inner
        elif keyword.arg in ("version_table", "version_table_schema"):
            value = _constant(keyword.value, scope)
            if isinstance(value, VersionTable):
                return value
            if keyword.arg == "version_table":
                table = value
            else:
                schema = value
    return VersionTable(table or "alembic_version", schema)


def _from_dictionary(node: ast.expr, scope: source_text.Scope) -> VersionTable | None:
    """What `**options` may bring: unknown, unless it is written out here and names no version table."""
    if isinstance(node, ast.Name):
        bound = scope.value(node.id, node.lineno)
        node = bound[0] if bound is not None else node
    names: list[str] = []
    if isinstance(node, ast.Dict):
        names = [str(key.value) if isinstance(key, ast.Constant) else "**" for key in node.keys]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        names = [each.arg or "**" for each in node.keywords]
    else:
        names = ["**"]
    if "**" in names or any(each.startswith("version_table") for each in names):
        return VersionTable(known=False, why=f"line {node.lineno}: `**{ast.unparse(node)[:60]}`")
    return None


def _constant(node: ast.expr, scope: source_text.Scope) -> str | VersionTable | None:
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    texts = scope.texts(node)
    if texts and len(texts) == 1 and source_text.HOLE not in texts[0]:
        return texts[0]
    return VersionTable(known=False, why=f"line {node.lineno}: `{ast.unparse(node)[:60]}`")
