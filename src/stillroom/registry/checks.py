"""What the shape cannot tell: whether names, paths, variables and services of the registry exist, agree and are safe.

Each check adds the mistakes that it finds; nothing is raised here, since all are told at once. The disk is looked at
for two things only: whether a service's folder and its interpreter exist.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom.registry import formats, neighbours, order, placeholders, positions, resolve, texts
from stillroom.registry.mistakes import Mistake, dotted, listed, shown, similar

__all__ = ["Checks"]

DataPath = tuple[str | int, ...]

_HISTORY = ("config", "ini_section", "script_location", "version_locations")
_DESTINATIONS = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE")


class Checks:
    """The checks of one document; `mistakes` grows with every method that is called.

    Args:
        document: the file, for places and for what is written.
        unsaid: paths of what is wrong already; what follows from it is not told. Grows, too.
        root: folder of the file.
    """

    def __init__(self, document: positions.Document, unsaid: set[DataPath], root: Path) -> None:
        self.mistakes: list[Mistake] = []
        self._document = document
        self._unsaid = unsaid
        self._root = root
        self._folders: dict[Path, bool] = {}
        self._names = self._keys(("services",))
        self._misnamed: set[str] = set()

    def texts(self) -> None:
        """No secrets anywhere; no placeholder that does not exist, or stands where none is replaced."""
        for path, text in self._document.scalars():
            problem = texts.secret(path, text) or texts.placeholder(path, text)
            if problem:
                self._add(path, problem)
                self._unsaid.add(_field(path))

    def names(self, default_environment: str | None) -> None:
        """Names of services and environments: allowed ones, known ones, at least one."""
        for name in self._names:
            problem = formats.service_name(name)
            if problem:
                self._add(("services", name), problem)
                self._misnamed.add(name)
        if not self._names and ("services",) not in self._unsaid:
            self._add(("services",), "names no service; name at least one, each on a line of its own (`auth:`)")
        environments = self._keys(("environments",))
        for environment in environments:
            self._add(("environments", environment), formats.environment_name(environment))
            for name in self._keys(("environments", environment, "services")):
                if name not in self._names:
                    self._add(("environments", environment, "services", name), self._unknown_service(name))
        self._default(default_environment, environments or ["development"])

    def facts(self, drafts: Sequence[resolve.Draft]) -> None:
        """Every service of one environment by itself: its texts, its folder, its interpreter, what it waits for."""
        for draft in drafts:
            for field, check in formats.BY_FIELD.items():
                self._format(draft, field, check)
            self._path(draft)
            self._python(draft)
            self._env(draft)
            self._url(draft)
            for name in draft.values["after"]:
                if name not in self._names:
                    self._at(draft, "after", self._unknown_service(name), item=name)
            for field, what in (("schemas", "schema"), ("version_locations", "folder")):
                if draft.values[field] == ():
                    self._at(draft, field, f"is empty; name at least one {what}, or leave the key out")
            self._bootstrap(draft)
            self._grants(draft)

    def together(self, drafts: Sequence[resolve.Draft]) -> None:
        """The services of one environment among each other: order, shared databases, shared histories."""
        by_name = {draft.name: draft for draft in drafts}
        after = {draft.name: self._believed(draft, "after", ()) for draft in drafts}
        for cycle in order.cycles(after):
            self._at(by_name[cycle[0]], "after", f"a cycle, each waits for the next: {' -> '.join(cycle)}", own=True)
        for draft, text in neighbours.clashes([each for each in drafts if not self._doubtful(each, neighbours.FIELDS)]):
            self._at(draft, "database", text, own=True)
        histories: dict[tuple[object, ...], resolve.Draft] = {}
        for draft in drafts:
            if self._doubtful(draft, ("path", *_HISTORY)):
                continue
            other = histories.setdefault(self._history(draft), draft)
            if other is not draft:
                text = f"the same file as the one of '{other.name}'; two services cannot share one history"
                self._at(draft, "config", text, own=True)

    def _history(self, draft: resolve.Draft) -> tuple[object, ...]:
        """What tells which history a service has: its configuration file, and what holds instead of that."""
        folder = resolve.absolute(draft.values["path"], self._root)
        config, section, script, versions = (draft.values[field] for field in _HISTORY)
        file = resolve.config(config, script, folder)
        return (file or folder, section, script, versions)

    def _default(self, said: str | None, environments: Sequence[str]) -> None:
        if said is not None and said not in environments:
            text = f"unknown environment {shown(said)}{similar(said, environments)}; allowed: {listed(environments)}"
            self._add(("default_environment",), text)
        elif (
            said is None
            and ("default_environment",) not in self._unsaid
            and resolve.default(said, environments) is None
        ):
            text = (
                f"say which one is meant when none is given: `default_environment:` with one of {listed(environments)}"
            )
            self._add(("environments",), text)

    def _format(self, draft: resolve.Draft, field: str, check: Callable[[str], str | None]) -> None:
        value = draft.values[field]
        if value is None or (draft.name in self._misnamed and len(draft.origins[field]) < 3):
            return  # not said, or made from a name that is refused already
        texts: Iterable[str] = (value,) if isinstance(value, str) else value
        for text in texts:
            problem = check(text)
            if problem:
                self._at(draft, field, problem, item=None if isinstance(value, str) else text)

    def _bootstrap(self, draft: resolve.Draft) -> None:
        said: str | tuple[str, ...] | None = draft.values["bootstrap"]
        if isinstance(said, str):
            problem = formats.function(said)
            if problem:
                self._at(draft, "bootstrap", f"{problem}; a command is a list: [python, -m, app.prepare]")
        elif said is not None and not (said and said[0].strip()):
            self._at(draft, "bootstrap", "is empty; name a function or a command, or leave the key out")

    def _grants(self, draft: resolve.Draft) -> None:
        if draft.values["grants"] is not None and draft.values["service_role"] is None:
            self._at(draft, "grants", "nobody is named who gets these rights; say `service_role` beside it")

    def _path(self, draft: resolve.Draft) -> None:
        text: str = draft.values["path"]
        if not text.strip() or "\0" in text:
            return
        folder = resolve.absolute(text, self._root)
        if folder not in self._folders:
            self._folders[folder] = folder.is_dir()
        if not self._folders[folder]:
            self._at(draft, "path", _no_folder(text, folder))

    def _python(self, draft: resolve.Draft) -> None:
        text: str | None = draft.values["python"]
        if not text or draft.remote or "\0" in text:
            return
        file = resolve.interpreter(text, self._root)
        if not Path(file).is_file():
            self._at(
                draft, "python", f"the interpreter {file} does not exist; make the virtual environment, or correct it"
            )
        elif not os.access(file, os.X_OK):
            self._at(draft, "python", f"{file} is not executable, so it is no interpreter")

    def _env(self, draft: resolve.Draft) -> None:
        env: Mapping[str, str] = draft.values["env"]
        other_way = draft.values["url"] is not None and "argument" not in draft.values["url"]
        for field in ("url_variable", "scratch_url_variable"):
            if draft.values[field] in env and not (other_way and field == "url_variable"):
                text = f"stillroom sets this variable itself (it is the {field}); leave it out"
                self._at(draft, "env", text, item=draft.values[field])
        parts = (draft.values["url"] or {}).get("variables", {}).values()
        for name in _DESTINATIONS:
            if name in env and name not in parts:  # a part of the URL has no other meaning
                self._at(draft, "env", "stillroom chooses the database; leave this out", item=name)

    def _url(self, draft: resolve.Draft) -> None:
        """The way in which env.py learns its URL: one, and no other beside it."""
        problem = formats.url(draft.values["url"])
        said, variable = draft.origins["url"], draft.origins["url_variable"]
        if problem and not any(each[: len(said)] == said for each in self._unsaid):
            self._at(draft, "url", problem)
        if said and said[:-1] == variable[:-1] and "argument" not in (draft.values["url"] or {"argument": ""}):
            self._at(draft, "url", "says another way than `url_variable` beside it; keep the one by which env.py goes")
        command: tuple[str, ...] | None = draft.values["password_command"]
        if command is not None and not (command and command[0].strip()):
            self._at(draft, "password_command", "is empty; name a program, or leave the key out")

    def _unknown_service(self, name: str) -> str:
        return f"unknown service {shown(name)}{similar(name, self._names)}; there are: {listed(self._names)}"

    def _keys(self, path: DataPath) -> list[str]:
        value = resolve.at(self._document.data, path)
        return list(value) if isinstance(value, dict) else []

    def _add(self, path: DataPath, text: str | None) -> None:
        if text:
            self.mistakes.append(Mistake(*self._document.place(path), dotted(path), text))

    def _at(self, draft: resolve.Draft, field: str, text: str, *, item: str | None = None, own: bool = False) -> None:
        """Note a mistake in a field of a draft: at the line that says it, or at the service that it holds for.

        `item` is the one in the field's list or mapping; `own` says that the mistake is this service's alone.
        """
        origin = draft.origins[f"env.{item}" if field == "env" else field]
        if self._doubtful(draft, (field,)) or origin in self._unsaid:
            return
        service: DataPath = ("services", draft.name)
        here = origin[:2] == service or origin[2:4] == service
        if here or (origin and not own and not _depends(self._document.data, origin)):
            self._add(self._item(origin, item, draft), text)
            return
        if origin:
            text += f" (said in {dotted(origin)}, line {self._document.place(origin)[0]})"
        elif not own:
            text += f" (stillroom's default; say `{field}:` under 'defaults' or here)"
        self.mistakes.append(Mistake(*self._document.place(service), dotted((*service, field)), text))

    def _item(self, origin: DataPath, item: str | None, draft: resolve.Draft) -> DataPath:
        """The path of `item` where a list is written at `origin`; else `origin`."""
        value = resolve.at(self._document.data, origin)
        expanded = placeholders.expand_all(value, draft.name)
        return (*origin, expanded.index(item)) if isinstance(expanded, tuple) and item in expanded else origin

    def _believed(self, draft: resolve.Draft, field: str, otherwise: Any) -> Any:
        return otherwise if self._doubtful(draft, (field,)) else draft.values[field]

    def _doubtful(self, draft: resolve.Draft, fields: Iterable[str]) -> bool:
        """Whether something wrong, that was left out, might have said one of the fields, and nothing said later did."""
        layers: tuple[DataPath, ...] = (
            (),  # stillroom's own defaults
            ("defaults",),
            ("environments", draft.environment),
            ("services", draft.name),
            ("environments", draft.environment, "services", draft.name),
        )
        for field in fields:
            said = layers.index(draft.origins[field][:-1]) if draft.origins[field] else 0
            if any(place in self._unsaid or (*place, field) in self._unsaid for place in layers[said:]):
                return True
        return False


def _field(path: DataPath) -> DataPath:
    """The path of the service's field (or variable in its `env`) that the scalar at `path` belongs to."""
    start = {"defaults": 1, "services": 2, "environments": 4 if path[2:3] == ("services",) else 2}
    depth = start.get(str(path[0]) if path else "", 0)
    return path[: depth + (2 if path[depth : depth + 1] == ("env",) else 1)]


def _depends(data: Any, origin: DataPath) -> bool:
    """Whether what is said at `origin` differs from service to service."""
    value = resolve.at(data, origin)
    return placeholders.expand_all(value, "x") != placeholders.expand_all(value, "y")


def _no_folder(text: str, folder: Path) -> str:
    if folder.exists():
        return f"{text} is a file; the folder of the service's code is meant"
    try:
        there = [each.name for each in folder.parent.iterdir() if each.is_dir()]
    except OSError:
        there = []
    return f"the folder {text} does not exist{similar(folder.name, there)}"
