"""Where a service's migrations are: as the registry declares, else as its configuration says; nothing is imported.

Also what `env.py` says of the version table, as far as its source tells.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from . import config_file

if TYPE_CHECKING:
    from .. import facts
    from ..reading import source_text

__all__ = ["Locations", "VersionTable", "folder_of", "locations", "of", "shown", "version_table_in_env"]

_CONFIGURE_KEYWORDS = frozenset({"connection", "url", "dialect_name", "target_metadata", "version_table"})
_FILE_TEMPLATE = "%(rev)s_%(slug)s"


@dataclass(frozen=True)
class Locations:
    """What a configuration says of where things are.

    Args:
        ini: the ini file; None: there is none.
        toml: the pyproject.toml with a [tool.alembic] that counts; None: there is none.
        section: the section of the ini file that was read.
        script_location: the folder of env.py.
        version_locations: the folders of revision files; the first is where a first revision goes.
        recursive: `recursive_version_locations`.
        file_template: how new files are named.
        truncate_slug_length: how much of a message goes into a file's name.
        timezone: of a new file's date, or "".
        sourceless: Alembic would load `.pyc` files, too (they are not read here).
        prepend_sys_path: entries that the alembic command puts before `sys.path`, made absolute.
    """

    ini: Path | None
    section: str
    script_location: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    file_template: str
    truncate_slug_length: int
    timezone: str
    sourceless: bool
    prepend_sys_path: tuple[str, ...]
    toml: Path | None = None

    @property
    def file(self) -> Path:
        """The file to name in messages: the configuration, or the registry where there is none."""
        return self.ini or self.toml or Path("services.yaml")

    def env_source(self) -> str:
        """The text of env.py; empty where it can't be read, which whoever runs it tells."""
        try:
            return (self.script_location / "env.py").read_text("utf-8", "replace")
        except OSError:
            return ""

    def to_dict(self) -> dict[str, Any]:
        """What the operator's side has to know of it, JSON-able."""
        return {"folders": [str(each) for each in self.version_locations], "recursive": self.recursive}

    def folder_of(self, path: str | Path) -> Path:
        """The version location that a revision file is in: the innermost that holds it; else the first."""
        return folder_of(self.version_locations, path)


@dataclass(frozen=True)
class VersionTable:
    """The version table as `context.configure(...)` in an env.py names it.

    `table` and `schema` hold only where `known`; if not, `why` says what stands there instead of a constant.
    """

    table: str = "alembic_version"
    schema: str | None = None
    known: bool = True
    why: str = ""


def of(service: facts.ServiceFacts, packages: Sequence[str] | None = None) -> Locations:
    """Where a service's things are: what the registry declares, else what its configuration says.

    Args:
        service: what the registry declares.
        packages: folders in which packages are looked for, after `prepend_sys_path`; None: where this interpreter
            looks for them.

    Raises:
        faults.ProjectFault: `config-missing`, `config-unreadable`, `config-section-missing`, `config-value`,
            `script-location-missing`, `package-missing`.
    """
    base = Path(service.path).absolute()
    options = config_file.read(service.config, base, service.ini_section)
    return _located(options, base, service, packages)


def locations(
    ini_path: Path | str, section: str = "alembic", *, cwd: Path | None = None, script_location: str = ""
) -> Locations:
    """What an ini file alone says of where things are.

    Args:
        ini_path: the alembic.ini.
        section: `alembic -n`.
        cwd: what relative paths in it are relative to. Alembic means the folder it is started in; None means the
            folder of the file, where it nearly always is.
        script_location: overrides the file's.

    Raises:
        faults.ProjectFault: see `of`.
    """
    from .. import facts

    ini = Path(ini_path)
    service = facts.ServiceFacts(
        "", str(cwd or ini.parent), str(ini), ini_section=section, script_location=script_location or None
    )
    base = (cwd or ini.parent).absolute()
    return _located(config_file.read(str(ini), base, section), base, service)


def _located(
    options: config_file.Options, base: Path, service: facts.ServiceFacts, packages: Sequence[str] | None = None
) -> Locations:
    if service.ini_section != "alembic" and options.ini is not None and not options.has_section:
        raise _no_section(options)
    place = service.script_location or options.text("script_location")
    if not place:
        raise _no_script_location(options)
    declared = service.prepend_sys_path
    prepended = tuple(str(base / each) for each in (options.prepend_sys_path() if declared is None else declared))
    named = str(options.file or "services.yaml")
    finder = _Finder(base, named, prepended, packages)
    folder = finder.folder(place)
    said = service.version_locations or options.version_locations()
    recursive = service.recursive_version_locations
    return Locations(
        ini=options.ini,
        toml=options.toml,
        section=options.section,
        script_location=folder,
        version_locations=tuple(finder.folder(each) for each in said) or (folder / "versions",),
        recursive=options.flag("recursive_version_locations") if recursive is None else recursive,
        file_template=options.text("file_template") or _FILE_TEMPLATE,
        truncate_slug_length=options.number("truncate_slug_length") or 40,
        timezone=options.text("timezone"),
        sourceless=options.flag("sourceless"),
        prepend_sys_path=prepended,
    )


def _no_script_location(options: config_file.Options) -> faults.ProjectFault:
    if options.ini is None and options.toml is None:
        return faults.ProjectFault(
            "config-missing",
            "There is no Alembic configuration, and nothing says where env.py is.",
            "Name the file in services.yaml (`config:`), or the folder of env.py (`script_location:`).",
        )
    if options.ini is not None and options.toml is None and not options.has_section:
        return _no_section(options)
    return faults.ProjectFault(
        "script-location-missing",
        f"{options.file}: section [{options.section}] has no `script_location`."
        if options.file == options.ini
        else f"{options.file}: [tool.alembic] has no `script_location`.",
        "Add `script_location = migrations` (the folder of env.py), or name it in services.yaml (`script_location:`).",
    )


def _no_section(options: config_file.Options) -> faults.ProjectFault:
    there = ", ".join(f"[{each}]" for each in options.sections) or "none"
    return faults.ProjectFault(
        "config-section-missing",
        f"{options.ini} has no section [{options.section}]; it has {there}.",
        "Name the right one in services.yaml (`ini_section:`), or the folder of env.py (`script_location:`).",
    )


def folder_of(folders: Sequence[Path], path: str | Path) -> Path:
    """The one of these folders that a file is in: the innermost that holds it; else the first."""
    file = Path(path)
    holding = [each for each in folders if file.is_relative_to(each.resolve())]
    return max(holding, key=lambda each: len(each.resolve().parts), default=folders[0])


def shown(folders: Sequence[Path], folder: Path, name: str) -> str:
    """How a revision file is called: its name; where there are several folders, with the folder's path before it.

    Of that path no more than what tells the folders apart, so that it is the same on every machine.
    """
    if len(folders) < 2:
        return name
    tails = {each: each.parts for each in folders}
    most = max(len(each) for each in tails.values())
    for count in range(1, most + 1):
        if len({parts[-count:] for parts in tails.values()}) == len(tails):
            return "/".join((*folder.parts[-count:], name))
    return f"{folder}/{name}"


def version_table_in_env(source: str | bytes | ast.Module) -> VersionTable:
    """What an env.py (its text, or its parsed tree) says of the version table; never executed.

    A name that is bound to a constant counts as that constant. Several calls of `configure` (online, offline) must agree.

    Raises:
        faults.ProjectFault: `env-does-not-parse`.
    """
    from ..reading import revision_head, source_text

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


@dataclass(frozen=True)
class _Finder:
    """What folders that a configuration names are relative to, and where packages are looked for."""

    base: Path
    named: str
    prepended: tuple[str, ...]
    packages: Sequence[str] | None

    def folder(self, text: str) -> Path:
        """A folder as the ini file names it: a path, or `package.module:folder` inside an importable package."""
        if os.path.isabs(text) or ":" not in text:  # noqa: PTH117 - Alembic's own test
            return self.base / text
        package, *rest = text.split(":")
        top, *inner = package.split(".")
        found = self._package(top)
        if found is None:
            raise faults.ProjectFault(
                "package-missing",
                f"{self.named}: {text!r} names a folder inside the package {top!r}, which this interpreter does not "
                "find.",
                f"Install it where {sys.executable} finds it, or name its folder in services.yaml "
                "(`prepend_sys_path:`).",
            )
        return found.joinpath(*inner, *rest)

    def _package(self, top: str) -> Path | None:
        for entry in (*self.prepended, *(sys.path if self.packages is None else self.packages)):
            candidate = Path(entry or ".", top)
            if candidate.is_dir():
                return candidate
        if self.packages is not None or not top.isidentifier():
            return None
        found = importlib.util.find_spec(top)  # finders of editable installs; no import
        folders = (found.submodule_search_locations or ()) if found is not None else ()
        return next((Path(each) for each in folders), None)


def _configures(call: ast.Call) -> bool:
    """Whether this is `context.configure(...)`, not `structlog.configure(...)`."""
    from ..reading import source_text

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
    from ..reading import source_text

    texts = scope.texts(node)
    if texts and len(texts) == 1 and source_text.HOLE not in texts[0]:
        return texts[0]
    return VersionTable(known=False, why=f"line {node.lineno}: `{ast.unparse(node)[:60]}`")
