"""What the operator side tells the runtime about a service: one immutable value."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["ServiceFacts"]


@dataclasses.dataclass(frozen=True)
class ServiceFacts:
    """Where a service's Alembic project is, and what the registry declares of it.

    Attributes:
        name: the service, as in the registry.
        path: folder of the service on the machine where the runtime runs; in a request it may be relative to the
            working directory there.
        config: the Alembic configuration there (an ini file, or a pyproject.toml), in a request relative to `path`; None:
            none is named, or needed.
        models: modules whose import fills the metadata.
        metadata: `module:attribute` of the metadata, or None: `Base.metadata` and the like are looked for.
        url_variable: the environment variable that `env.py` reads.
        scratch_url_variable: the variable that names an empty database to generate on, or None.
        schemas: schemas that the service owns, or None: derived from its metadata.
        version_table, version_table_schema: declared, or None: read from `env.py`.
        extensions: PostgreSQL extensions that the history may take for granted.
        version_width: characters that its column holds, as declared, or None: as sources say.
        heads: number of heads that the history has by design.
        neighbours: services that share the database.
        protected: whether the environment is marked as protected in the registry.
        ini_section, script_location, version_locations, recursive_version_locations, prepend_sys_path: declared, as
            `registry.model.Service` has them; None: as the configuration says.
        setup: `module:function` that is called before Alembic, or None.
        run_in: `main` or `thread`: where `env.py` runs.
        bootstrap: `module:function`, or a command's arguments, that comes before the first revision; None: nothing does.
        url: another way in which `env.py` learns its URL, as `registry.model.Service` has it; None: `url_variable`.
        env_file: a file in its folder with further variables, or None.
        given_url_variable: the variable in which the operator side gives the service's URL itself, or None.
        password_variable: the variable in which it gives the password of that URL, or None.
        service_role: the role that the service itself connects as, where another one migrates; None: not declared.
        grants: rights on its tables (`SELECT`, ...) that a migration gives that role; None: they are only checked.
        scratch_server_variable: the variable that names a server to make scratch databases on, or None: beside the
            service's own database.
    """

    name: str
    path: str
    config: str | None
    models: tuple[str, ...] = ()
    metadata: str | None = None
    url_variable: str = "DATABASE_URL"
    scratch_url_variable: str | None = None
    schemas: tuple[str, ...] | None = None
    version_table: str | None = None
    version_table_schema: str | None = None
    extensions: tuple[str, ...] = ()
    heads: int = 1
    version_width: int | None = None
    neighbours: tuple[str, ...] = ()
    protected: bool = False
    scratch_server_variable: str | None = None
    ini_section: str = "alembic"
    script_location: str | None = None
    version_locations: tuple[str, ...] | None = None
    recursive_version_locations: bool | None = None
    prepend_sys_path: tuple[str, ...] | None = None
    setup: str | None = None
    run_in: str = "main"
    bootstrap: str | tuple[str, ...] | None = None
    url: dict[str, Any] | None = dataclasses.field(default=None, hash=False)
    env_file: str | None = None
    given_url_variable: str | None = None
    password_variable: str | None = None
    service_role: str | None = None
    grants: tuple[str, ...] | None = None

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ServiceFacts:
        """The facts that `dataclasses.asdict` made; keys that this version does not know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        taken: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item for key, item in value.items() if key in known
        }
        return cls(**taken)
