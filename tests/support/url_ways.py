"""How `env.py` may learn its URL: a small project for each way."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.support import ways
from tests.support.ways import ASYNC, Place, Way, Written

__all__ = ["WAYS"]

_ODD = "p@ss/w:rd %#&?"
_OS = "import os"


def _one(place: Place, url: str, *, read: str = "os.environ[{name!r}]", **said: Any) -> Written:
    """A project that reads one variable."""
    name = place.variable("DATABASE_URL")
    made = ways.project(place, imports=_OS, url=read.format(name=name), **said)
    return Written(made, {}, {name: url})


def _asyncpg(place: Place) -> Written:
    return _one(place, place.database.url(role=place.role), env=ASYNC)


def _psycopg2(place: Place) -> Written:
    """A password in which every sign means something; and an ini file in which `%` does."""
    place.server.execute(f"ALTER ROLE {place.role.name} PASSWORD '{_ODD}'")
    url = place.database.url("postgresql+psycopg2").replace(
        place.server.url("x").split("://")[1].split("@")[0], f"{place.role.name}:{quote(_ODD, safe='')}"
    )
    name = place.variable("DATABASE_URL")
    before = f'context.config.set_main_option("sqlalchemy.url", os.environ[{name!r}].replace("%", "%%"))'
    return _one(place, url, before=before, read='context.config.get_main_option("sqlalchemy.url")')


def _no_driver(place: Place) -> Written:
    """A scheme that the project completes itself, as where a platform sets the variable."""
    read = 'os.environ[{name!r}].replace("postgres://", "postgresql+psycopg://", 1)'
    return _one(place, place.database.url("postgres", place.role), read=read)


def _socket_folder(place: Place) -> str:
    ((folder,),) = place.server.fetch("SHOW unix_socket_directories")
    return str(folder).strip('"')


def _socket(place: Place) -> Written:
    """A Unix socket; the project gives the URL to an ini file as it is, which no `%` would survive."""
    folder = _socket_folder(place)
    user = f"{place.role.name}:{place.role.password}"
    url = f"postgresql+psycopg://{user}@/{place.database.name}?host={folder}&port={place.server.port}"
    name = place.variable("DATABASE_URL")
    before = f'context.config.set_main_option("sqlalchemy.url", os.environ[{name!r}])'
    return _one(place, url, before=before, read='context.config.get_main_option("sqlalchemy.url")')


def _several_hosts(place: Place) -> Written:
    user = f"{place.role.name}:{place.role.password}"
    hosts = f"{place.server.host}:{place.server.port}"
    url = f"postgresql+psycopg2://{user}@/{place.database.name}?host={hosts}&host={hosts}&sslmode=prefer"
    return _one(place, url)


_PARTS = """URL.create(
    "{scheme}",
    os.environ["{user}"],
    os.environ["{password}"],
    os.environ["{host}"],
    int(os.environ["{port}"]),
    os.environ["{name}"],
)"""


def _parts(place: Place) -> dict[str, str]:
    """What the parts of the URL are."""
    return {
        "host": place.server.host,
        "port": str(place.server.port),
        "user": place.role.name,
        "password": place.role.password,
        "name": place.database.name,
    }


def _from_parts(
    place: Place, names: Mapping[str, str], scheme: str, parts: Mapping[str, str] | None = None, **said: Any
) -> Written:
    url = _PARTS.format(scheme=scheme, **names)
    made = ways.project(place, imports=f"{_OS}\nfrom sqlalchemy import URL", url=url, **said)
    values = {**_parts(place), **(parts or {})}
    return Written(made, {"url": {"variables": dict(names)}}, {names[part]: values[part] for part in names})


def _several_variables(place: Place) -> Written:
    names = {part: place.variable(f"DB_{part.upper()}") for part in _parts(place)}
    return _from_parts(place, names, "postgresql+asyncpg", env=ASYNC)


def _libpq_variables(place: Place) -> Written:
    """The names that libpq itself knows, and that are taken away from others meanwhile; the host is a socket's folder."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "name": "PGDATABASE"}
    return _from_parts(place, names, "postgresql+psycopg", {"host": _socket_folder(place)})


def _host_and_port(place: Place) -> Written:
    """Host and port in one variable."""
    names = {part: place.variable(part.upper()) for part in ("host", "user", "password", "name")}
    url = (
        '"postgresql+psycopg2://{user}:{password}@{host}/{name}".format(**{k: os.environ[v] for k, v in NAMES.items()})'
    )
    made = ways.project(place, imports=_OS, before=f"NAMES = {names!r}", url=url)
    values = {**_parts(place), "host": f"{place.server.host}:{place.server.port}"}
    return Written(made, {"url": {"variables": names}}, {names[part]: values[part] for part in names})


_SETTINGS = """
import os


class Settings:
    def __init__(self):
        self.host = os.environ["{host}"]
        self.port = int(os.environ["{port}"])
        self.user = os.environ["{user}"]
        self.password = os.environ["{password}"]
        self.name = os.environ["{name}"]
        self.prefix = os.environ.get("TABLES_PREFIX", "")

    @property
    def url(self):
        return f"postgresql+asyncpg://{{self.user}}:{{self.password}}@{{self.host}}:{{self.port}}/{{self.name}}"


settings = Settings()
"""


def _settings(place: Place) -> Written:
    """Read at import, once; and the version table is not to be known without running env.py."""
    names = {part: place.variable(part.upper()) for part in _parts(place)}
    made = ways.project(
        place,
        env=ASYNC,
        imports="from app.settings import settings",
        url="settings.url",
        configure=', version_table=settings.prefix + "alembic_version"',
        files={"app/settings.py": _SETTINGS.format(**names)},
    )
    values = _parts(place)
    return Written(made, {"url": {"variables": names}}, {names[part]: values[part] for part in names})


_INI = """
[alembic]
script_location = %(here)s/migrations
{lines}
"""
_FROM_INI = """
from alembic import context
from sqlalchemy import engine_from_config, pool

from app.models import Base

config = context.config


def run_on(connection, **options):
    context.configure(connection=connection, target_metadata=Base.metadata, **options)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_on(None, url=config.get_main_option("sqlalchemy.url"), literal_binds=True)
else:
    section = config.get_section(config.config_ini_section, {})
    with engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool).connect() as connection:
        run_on(connection)
"""


def _ini(place: Place) -> Written:
    """The env.py of `alembic init`, and a URL in parts of the section."""
    url = place.database.url("postgresql+psycopg2", place.role).replace(place.server.host, "%(db_host)s", 1)
    text = _INI.replace("{lines}", f"db_host = {place.server.host}\nsqlalchemy.url = {url}")
    return Written(ways.project(place, env=_FROM_INI, ini=text), {"url": {"ini": "sqlalchemy.url"}}, {})


def _ini_key(place: Place) -> Written:
    """Another key, read at import by a module of the service; and the version table takes running env.py."""
    text = _INI.replace("{lines}", f"database_url = {place.database.url('postgresql', place.role)}")
    settings = 'from alembic import context\n\nURL = context.config.get_main_option("database_url")\n'
    made = ways.project(
        place,
        env=ASYNC,
        imports="from app.settings import URL",
        url='URL.replace("postgresql://", "postgresql+asyncpg://")',
        configure=', version_table="_".join(["alembic", "version"])',
        ini=text,
        files={"app/settings.py": settings},
    )
    return Written(made, {"url": {"ini": "database_url"}}, {})


def _section(place: Place) -> Written:
    """`alembic -n`: the section has the URL, and another one a placeholder."""
    text = f"""
[alembic]
script_location = %(here)s/nowhere
sqlalchemy.url = driver://user:pass@localhost/dbname

[shop]
script_location = %(here)s/migrations
sqlalchemy.url = {place.database.url("postgresql+psycopg", place.role)}
"""
    settings = {"url": {"ini": "sqlalchemy.url"}, "ini_section": "shop"}
    return Written(ways.project(place, env=_FROM_INI, ini=text), settings, {})


def _filled_by_env(place: Place) -> Written:
    """`%(DB_HOST)s` in the ini file, which nobody but env.py can fill."""
    names = {part: place.variable(f"DB_{part.upper()}") for part in _parts(place)}
    written = "postgresql+psycopg2://" + "{user}:{password}@{host}:{port}/{name}".format(
        **{part: f"%({name})s" for part, name in names.items()}
    )
    env = _FROM_INI.replace(
        "config = context.config\n",
        f"config = context.config\nfor name in {sorted(names.values())!r}:\n"
        "    config.set_section_option(config.config_ini_section, name, os.environ[name])\n",
    )
    made = ways.project(place, env="import os\n" + env, ini=_INI.replace("{lines}", f"sqlalchemy.url = {written}"))
    values = _parts(place)
    return Written(made, {"url": {"variables": names}}, {names[part]: values[part] for part in names})


_HOOK = """
def hook(_, revision, directives):
    if context.config.cmd_opts.autogenerate and directives[0].upgrade_ops.is_empty():
        directives[:] = []
"""


def _argument(place: Place) -> Written:
    """`alembic -x`; and a hook that asks for another argument of the command, as Alembic's documentation has it."""
    name = place.variable("URL")
    url = 'context.get_x_argument(as_dictionary=True)["db_url"]'
    settings = {"url": {"argument": "db_url"}, "url_variable": name}
    hook = ", process_revision_directives=hook"
    made = ways.project(place, env=ASYNC, url=url, before=_HOOK, configure=hook)
    return Written(made, settings, {name: place.database.url(role=place.role)})


def _password_command(place: Place) -> Written:
    """A URL without a password, which a program prints."""
    place.folder.mkdir(parents=True)
    (place.folder / "token.py").write_text(f"print({place.role.password!r})\n")
    written = _one(
        place,
        f"postgresql+asyncpg://{place.role.name}@{place.server.host}:{place.server.port}/{place.database.name}",
        env=ASYNC,
    )
    command = [sys.executable, "{name}/token.py"]
    return Written(written.made, {"password_command": command}, written.variables)


def _given_scratch(place: Place) -> Written:
    """An empty database that is given, by a URL in libpq's words, to a project that speaks asyncpg's."""
    scratch = place.another()
    name = place.variable("SCRATCH_URL")
    given = scratch.url("postgresql", place.role) + "?sslmode=disable&connect_timeout=5&application_name=ci"
    written = _one(place, place.database.url(role=place.role) + "?ssl=disable", env=ASYNC)
    return Written(written.made, {"scratch_url_variable": name}, {**written.variables, name: given})


WAYS = (
    Way("asyncpg", _asyncpg),
    Way("psycopg2-odd-password", _psycopg2),
    Way("no-driver", _no_driver),
    Way("socket", _socket),
    Way("several-hosts", _several_hosts),
    Way("several-variables", _several_variables),
    Way("libpq-variables", _libpq_variables),
    Way("host-and-port", _host_and_port),
    Way("settings", _settings),
    Way("ini", _ini),
    Way("ini-key", _ini_key),
    Way("ini-section", _section),
    Way("filled-by-env", _filled_by_env),
    Way("argument", _argument),
    Way("password-command", _password_command),
    Way("given-scratch", _given_scratch),
)
