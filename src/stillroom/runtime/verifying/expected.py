"""What an image expects of its database: the heads of its version files and where they are noted. Nothing is executed.

The configuration is read as Alembic reads it, the files by a look at their text (`quick`), by parsing them where that is
not enough, and by Alembic itself (which runs them) only where a file computes who it is.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from ..projects import locations
from . import quick

if TYPE_CHECKING:
    from .. import facts
    from ..reading.revision_graph import Graph

__all__ = ["JOB", "Expected", "env_of", "expected", "of_folders"]

JOB = "the migration Job (python -m stillroom.runtime migrate)"
"""What brings a database to where an image needs it, as messages call it."""

_DEFAULT_TABLE = "alembic_version"

Links = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the files of an image say.

    Attributes:
        service: for messages.
        heads: the rows of the version table once everything is applied, sorted; none: there are no revisions.
        count: how many revisions there are.
        version_table, version_schema: where they are noted; schema None: where the connection's search_path finds it.
        schemas: whose tables count as the service's own; None: all of the database.
        folders: of the revision files.
        recursive: Alembic's `recursive_version_locations`.
        env: the env.py, or None.
        brought_by: what brings the database there, for messages.
        links: revision to its `down_revision` and to what it depends on beside that.
    """

    service: str
    heads: tuple[str, ...]
    count: int
    version_table: str = _DEFAULT_TABLE
    version_schema: str | None = None
    schemas: tuple[str, ...] | None = None
    folders: tuple[Path, ...] = ()
    recursive: bool = False
    env: Path | None = None
    brought_by: str = JOB
    links: Links = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @functools.cached_property
    def graph(self) -> Graph:
        """The revisions as a graph: read only where a database is not simply at head."""
        from ..reading import revision_file, revision_graph

        revisions = [
            revision_file.Revision(each, down, needs, (), "", each, "", b"")
            for each, (down, needs) in self.links.items()
        ]
        return revision_graph.Graph(revisions)


def expected(
    config: str | Path | None = None,
    *,
    service: str = "",
    section: str = "alembic",
    version_table: str | None = None,
    version_schema: str | None = None,
    schemas: Sequence[str] | None = None,
) -> Expected:
    """What the image expects: read once for all verifications of a process that starts.

    Args:
        config: an ini file, a pyproject.toml, or the folder with one of them; None: the working directory.
        service: its name, for messages.
        section: `alembic -n`.
        version_table, version_schema: where revisions are noted; None: as `env.py` says.
        schemas: whose tables count; None: all.

    Raises:
        faults.ProjectFault: the configuration is missing or wrong; `version-table-unknown`; what leaves open which the
            heads are, by the code of that problem (`duplicate-id`, `missing-parent`, `cycle`, `does-not-parse`, …).
    """
    folder, file = _place(config)
    where = _where(folder, file, section)
    table, schema = version_table, version_schema
    if table is None or schema is None:
        read_table, read_schema = _version_table(where.script_location / "env.py", table)
        table, schema = table or read_table, schema or read_schema
    found = of_folders(
        where.version_locations,
        recursive=where.recursive,
        where=where,
        told=lambda: _facts(service, folder, file, section),
    )
    return dataclasses.replace(
        found,
        service=service or folder.name,
        env=where.script_location / "env.py",
        version_table=table,
        version_schema=schema,
        schemas=None if schemas is None else tuple(schemas),
    )


def env_of(config: str | Path | None = None, section: str = "alembic") -> tuple[Path, Path]:
    """The folder of a configuration, after which a service without a name is called, and its env.py.

    Raises:
        faults.ProjectFault: the configuration is missing or wrong.
    """
    folder, file = _place(config)
    return folder, _where(folder, file, section).script_location / "env.py"


def _place(config: str | Path | None) -> tuple[Path, str | None]:
    place = Path(config or ".").absolute()
    return (place, None) if place.is_dir() else (place.parent, str(place))


class _Said:
    """What `locations.of` asks of a service's facts, where only the configuration speaks: quicker than the real ones."""

    name = ""
    script_location = version_locations = recursive_version_locations = prepend_sys_path = None

    def __init__(self, path: str, config: str | None, section: str) -> None:
        self.path = path
        self.config = config
        self.ini_section = section


def _where(folder: Path, file: str | None, section: str) -> locations.Locations:
    said: Any = _Said(str(folder), file, section)
    return locations.of(said)


def _facts(service: str, folder: Path, file: str | None, section: str) -> facts.ServiceFacts:
    from .. import facts

    return facts.ServiceFacts(service, str(folder), file, ini_section=section)


def of_folders(
    folders: Sequence[Path],
    *,
    recursive: bool = False,
    told: Callable[[], facts.ServiceFacts] | None = None,
    where: locations.Locations | None = None,
) -> Expected:
    """The heads of these version folders; one that is not there has none.

    Raises:
        faults.ProjectFault: see `expected`.
    """
    read: dict[str, quick.Quick] = {}
    links: Links | None = None
    if not recursive and all(_quickly(folder, read) for folder in folders):
        links = _links(read)
    if links is None:  # a file, or a history, that takes more than a look
        from . import slow

        links = slow.links(folders, recursive, told() if told is not None else None, where)
    needed = {parent for down, needs in links.values() for parent in (*down, *needs)}
    heads = tuple(sorted(each for each in links if each not in needed))
    return Expected("", heads, len(links), folders=tuple(folders), recursive=recursive, links=links)


def _quickly(folder: Path, read: dict[str, quick.Quick]) -> bool:
    """Adds the revisions of a folder; False where a file, or an id, is not as usual."""
    try:
        entries = sorted((each.name, each.path, each.is_symlink()) for each in os.scandir(folder))
    except FileNotFoundError:
        return True
    for name, path, linked in entries:
        if not name.endswith(".py") or name.startswith((".#", "__init__")):
            continue
        if linked:
            return False
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of files
                found = quick.look(file.read())
        except OSError:
            return False
        if found is None or found[0] in read:
            return False
        read[found[0]] = found
    return True


def _links(read: Mapping[str, quick.Quick]) -> Links | None:
    """The links of these revisions; None where something is missing, labelled twice, or goes in a circle."""
    labels = {label: each[0] for each in read.values() for label in each[3]}
    if len(labels) != sum(len(each[3]) for each in read.values()) or labels.keys() & read.keys():
        return None
    links = {own: (down, tuple(labels.get(each, each) for each in needs)) for own, down, needs, _ in read.values()}
    if any(each not in links for down, needs in links.values() for each in (*down, *needs)):
        return None
    return links if _all_reached(links) else None


def _all_reached(links: Links) -> bool:
    """Whether each revision can be applied: no circle is among them."""
    parents = {own: {*down, *needs} for own, (down, needs) in links.items()}
    waits = {own: len(ids) for own, ids in parents.items()}
    children: dict[str, list[str]] = {}
    for own, ids in parents.items():
        for each in ids:
            children.setdefault(each, []).append(own)
    ready = [own for own, count in waits.items() if not count]
    for own in ready:  # grows while it is walked
        for child in children.get(own, ()):
            waits[child] -= 1
            if not waits[child]:
                ready.append(child)
    return len(ready) == len(parents)


def _version_table(env: Path, declared: str | None) -> tuple[str, str | None]:
    """Table and schema as `env.py` says in constants; what is declared need not be told."""
    try:
        source = env.read_bytes()
    except OSError as error:
        if declared is not None or not env.parent.is_dir():  # without the folder there are no revisions either
            return _DEFAULT_TABLE, None
        raise faults.ProjectFault(
            "env-missing",
            f"{env} can't be read: {error.strerror}",
            "put the migrations folder into the image, with env.py",
        ) from error
    if b"context.configure(" in source and b"version_table" not in source and b"**" not in source:
        return _DEFAULT_TABLE, None
    from ..projects import env_table

    found = env_table.read(source)
    if found is None:
        if declared is not None:
            return declared, None
        raise faults.ProjectFault(
            "version-table-unknown",
            f"{env} does not say in constants where revisions are noted, and verifying does not run it",
            "say it: --version-table NAME (and --version-table-schema NAME), or STILLROOM_VERSION_TABLE",
        )
    return found.name, found.schema
