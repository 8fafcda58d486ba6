"""A database URL in `env.py` or alembic.ini: told where the sources leave no doubt, and else left to the guard."""

from __future__ import annotations

import pytest

from stillroom.runtime.projects import hardcoded

INI = "[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://me@db/shop\n"
TEMPLATE = """
from sqlalchemy import engine_from_config
connectable = engine_from_config(config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.")
"""


@pytest.mark.parametrize(
    ("env", "ini", "place"),
    [
        ('import x\nengine = create_engine("postgresql+asyncpg://me:pw@db:5432/shop")', "", ("env.py", 2)),
        ("URL = 'postgres://localhost/shop'", "", ("env.py", 1)),
        ('URL = f"postgresql://me:{password}@db/shop"', "", ("env.py", 1)),
        ('URL = os.getenv("DATABASE_URL", "postgresql://localhost/shop")', "", ("env.py", 1)),
        (TEMPLATE, INI, ("ini", 3)),
        ('url = config.get_main_option("sqlalchemy.url")', INI, ("ini", 3)),
        (TEMPLATE, "[alembic]\n\nsqlalchemy.url = driver://user:pass@localhost/dbname", ("ini", 3)),
    ],
)
def test_a_url_that_is_written_out_is_found(env: str, ini: str, place: tuple[str, int]) -> None:
    """With file and line."""
    found = hardcoded.find(env, ini, ["SHOP_DATABASE_URL"])
    assert found is not None
    assert (found.file, found.line) == place


@pytest.mark.parametrize(
    ("env", "ini"),
    [
        ('URL = os.environ.get("SHOP_DATABASE_URL", "postgresql://localhost/shop")', INI),
        ('url = settings.url.replace("postgresql://", "postgresql+asyncpg://")', INI),
        ('"""postgresql is what this is for."""\nfrom app.settings import URL', INI),
        ('URL = f"postgresql://{user}:{password}@{host}/{name}"', ""),
        (TEMPLATE, "[alembic]\nsqlalchemy.url = %(DB_URL)s\n"),
        (TEMPLATE, "[alembic]\n# sqlalchemy.url = postgresql://me@db/shop\n"),
        ("config.set_main_option('sqlalchemy.url', settings.url)" + TEMPLATE, INI),
        ('section["sqlalchemy.url"] = settings.url' + TEMPLATE, INI),
        ("def broken(:", INI),
    ],
)
def test_where_there_is_a_doubt_nothing_is_said(env: str, ini: str) -> None:
    """Defaults, replaced schemes, values from elsewhere."""
    assert hardcoded.find(env, ini, ["SHOP_DATABASE_URL"]) is None
