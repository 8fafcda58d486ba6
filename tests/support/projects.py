"""Small real services, written into a folder: `alembic.ini`, an async `env.py`, models, a history, a registry.

    shop = projects.make_service(tmp_path / "shop", models=projects.table("product", "name: Mapped[str]"))
    fleet = projects.make_registry(tmp_path, shop)
    shop.connects_to(monkeypatch, database.asyncpg)

The default service is sound: one table, no history. What a test wants broken it says: `models=`, `env=`, `files=`.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillroom.registry import load, model

__all__ = ["ENV", "HEAD", "INI", "MAKO", "Made", "Revision", "make_registry", "make_service", "revision", "table"]

HEAD = '''
from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, MetaData, func, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The base of all models."""
'''
"""What stands before the models: imports and `Base`. For another base, write `app/models.py` whole, by `files=`."""

ENV = """
from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from app.models import Base


def run_on(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, {configure})
    with context.begin_transaction():
        context.run_migrations()


async def run_online():
    engine = create_async_engine(os.environ["{url_variable}"], poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(
        url=os.environ["{url_variable}"], literal_binds=True, target_metadata=Base.metadata, {configure}
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
"""
"""The async `env.py`, with `{url_variable}` and `{configure}` to be replaced."""

INI = """
[alembic]
script_location = %(here)s/migrations
prepend_sys_path = .
path_separator = os
"""

MAKO = '''"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''


@dataclass(frozen=True)
class Revision:
    """One file of a history."""

    id: str
    text: str
    name: str


def revision(
    revision_id: str,
    down: str | Sequence[str] | None = None,
    *,
    upgrade: str = "pass",
    downgrade: str = "pass",
    name: str = "",
    depends_on: str | None = None,
    branch_labels: Sequence[str] | None = None,
) -> Revision:
    """A version file: `revision("0002", "0001", upgrade="op.execute('SELECT 1')")`; several lines may be indented.

    `name` is the file's, by default `<id>_.py`.
    """
    before = tuple(down) if isinstance(down, list | tuple) else down
    text = f'''"""{revision_id}"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = {revision_id!r}
down_revision = {before!r}
branch_labels = {tuple(branch_labels) if branch_labels else None!r}
depends_on = {depends_on!r}


def upgrade() -> None:
{_body(upgrade)}


def downgrade() -> None:
{_body(downgrade)}
'''
    return Revision(revision_id, text, name or f"{revision_id}_.py")


def table(name: str, *columns: str, schema: str | None = None) -> str:
    """The text of a model with an integer key and these further columns (`"name: Mapped[str]"`)."""
    lines = ["id: Mapped[int] = mapped_column(primary_key=True)", *columns]
    if schema:
        lines.insert(0, f'__table_args__ = {{"schema": "{schema}"}}')
    body = "\n".join(f"    {line}" for line in lines)
    title = "".join(part.capitalize() for part in name.split("_"))
    return f'\n\nclass {title}(Base):\n    __tablename__ = "{name}"\n{body}\n'


@dataclass(frozen=True)
class Made:
    """A service that was written. `settings` is what the registry says about it beside its path."""

    path: Path
    url_variable: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The service's name: that of its folder."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Its alembic.ini."""
        return self.path / "alembic.ini"

    @property
    def migrations(self) -> Path:
        """The folder of env.py."""
        return self.path / "migrations"

    @property
    def versions(self) -> Path:
        """The folder of the history."""
        return self.migrations / "versions"

    @property
    def history(self) -> dict[str, str]:
        """The history as it is now: file name to text."""
        return {file.name: file.read_text() for file in sorted(self.versions.glob("*.py"))}

    def write(self, relative: str, text: str) -> Path:
        """Writes a file of the service; folders are made."""
        file = self.path / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
        return file

    def write_models(self, models: str) -> Path:
        """Writes app/models.py: `HEAD`, then these models."""
        return self.write("app/models.py", HEAD + textwrap.dedent(models))

    def add(self, *revisions: Revision) -> None:
        """Adds to its history."""
        for each in revisions:
            self.write(f"migrations/versions/{each.name}", each.text)

    def connects_to(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        """Sets its URL variable until the test ends."""
        monkeypatch.setenv(self.url_variable, url)


def make_service(
    path: Path,
    *,
    models: str | None = None,
    env: str | None = None,
    configure: str = "",
    history: Sequence[Revision] | Mapping[str, str] = (),
    ini: str = INI,
    files: Mapping[str, str | None] | None = None,
    url_variable: str | None = None,
    modules: str | None = "app.models",
    **settings: Any,
) -> Made:
    """Writes a service into `path`; its name is the folder's.

    Args:
        path: the service's folder; made if need be.
        models: what follows `HEAD` in app/models.py; default: one table `product`. See `table()`.
        env: the whole text of env.py, in which `{url_variable}` and `{configure}` are replaced; default `ENV`.
        configure: further arguments of context.configure in env.py: `"version_table='shop_version'"`.
        history: revisions (see `revision()`), or file names to texts.
        ini: the text of alembic.ini.
        files: further files, relative name to text, written last; None takes a file away.
        url_variable: default `<NAME>_DATABASE_URL`.
        modules: what the registry says as `models:`; None: nothing, so that env.py alone knows.
        settings: what else the registry says about the service: `schemas=["shop"]`, `heads=2`, `time_limit=5`.
    """
    variable = url_variable or path.name.upper().replace("-", "_") + "_DATABASE_URL"
    made = Made(path, variable, {"models": modules, "url_variable": variable, **settings})
    made.write("alembic.ini", ini)
    made.write("app/__init__.py", "")
    made.write_models(table("product", "name: Mapped[str]") if models is None else models)
    made.write("migrations/env.py", (env or ENV).replace("{url_variable}", variable).replace("{configure}", configure))
    made.write("migrations/script.py.mako", MAKO)
    made.versions.mkdir(exist_ok=True)
    if isinstance(history, Mapping):
        history = [Revision(name, text, name) for name, text in history.items()]
    made.add(*history)
    for name, text in (files or {}).items():
        if text is None:
            (path / name).unlink()
        else:
            made.write(name, text)
    return made


def make_registry(
    root: Path,
    *services: Made,
    environments: Mapping[str, Any] | None = None,
    default_environment: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> model.Fleet:
    """Writes `root/services.yaml` with these services, in this order, and loads it.

    The one environment is `local`: processes on this machine, databases as the URL variables say.
    """
    said: dict[str, Any] = {
        "environments": dict(environments or {"local": {"target": "local", "database": "environment"}}),
        "services": {
            each.name: {"path": os.path.relpath(each.path, root), **_without_none(each.settings)} for each in services
        },
    }
    if default_environment:
        said["default_environment"] = default_environment
    if defaults:
        said["defaults"] = dict(defaults)
    file = root / load.FILE_NAME
    file.write_text(yaml.safe_dump(said, sort_keys=False))
    return load.load(file)


def _without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A setting that is None is not said at all."""
    return {name: value for name, value in settings.items() if value is not None}


def _body(text: str) -> str:
    return textwrap.indent(textwrap.dedent(text).strip() or "pass", "    ")
