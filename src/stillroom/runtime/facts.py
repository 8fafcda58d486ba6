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
        path: folder of the service on the machine where the runtime runs.
        config: the Alembic ini file there.
        models: modules whose import fills the metadata.
        metadata: `module:attribute` of the metadata, or None: `Base.metadata` and the like are looked for.
        url_variable: the environment variable that `env.py` reads.
        scratch_url_variable: the variable that names an empty database to generate on, or None.
        schemas: schemas that the service owns, or None: derived from its metadata.
        version_table, version_table_schema: declared, or None: read from `env.py`.
        extensions: PostgreSQL extensions that the history may take for granted.
        heads: number of heads that the history has by design.
        neighbours: services that share the database.
        protected: whether the environment is marked as protected in the registry.
        scratch_server_variable: the variable that names a server to make scratch databases on, or None: beside the
            service's own database.
    """

    name: str
    path: str
    config: str
    models: tuple[str, ...] = ()
    metadata: str | None = None
    url_variable: str = "DATABASE_URL"
    scratch_url_variable: str | None = None
    schemas: tuple[str, ...] | None = None
    version_table: str | None = None
    version_table_schema: str | None = None
    extensions: tuple[str, ...] = ()
    heads: int = 1
    neighbours: tuple[str, ...] = ()
    protected: bool = False
    scratch_server_variable: str | None = None

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> ServiceFacts:
        """The facts that `dataclasses.asdict` made; keys that this version does not know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        taken: dict[str, Any] = {
            key: tuple(item) if isinstance(item, list) else item for key, item in value.items() if key in known
        }
        return cls(**taken)
