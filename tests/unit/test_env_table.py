"""The version table of an env.py, read from its source."""

from __future__ import annotations

import pytest

from stillroom.runtime.projects import env_table, project

DEFAULT = project.VersionTable()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("context.configure(connection=c)", DEFAULT),
        ("context.configure(connection=c, version_table='v', version_table_schema='s')", project.VersionTable("v", "s")),
        ("S = 's'\nO = {'version_table_schema': S}\ncontext.configure(connection=c, **O)",
         project.VersionTable("alembic_version", "s")),
        ("O: dict = {'version_table': 'v'}\nP = {**O, 'version_table_schema': 's'}\ncontext.configure(connection=c, **P)",
         project.VersionTable("v", "s")),
        ("context.configure(connection=c, **{'version_table': 'v'})", project.VersionTable("v")),
        ("O = {'version_table': 'v'}\ncontext.configure(url=u, **O)\ncontext.configure(connection=c, **O)",
         project.VersionTable("v")),
        ("O = {'compare_type': True}\ncontext.configure(connection=c, **O)", DEFAULT),
    ],
)  # fmt: skip
def test_what_is_written_out_is_read(source: str, expected: project.VersionTable) -> None:
    """Constants are read, also from dictionaries that are unpacked."""
    assert env_table.read(source.encode()) == expected


@pytest.mark.parametrize(
    "source",
    [
        "context.configure(connection=c, **options())",
        "context.configure(connection=c, version_table=name())",
        "O = {'version_table': name()}\ncontext.configure(connection=c, **O)",
        "O = {key(): 'v'}\ncontext.configure(connection=c, **O)",
        "O = {}\nO['version_table'] = 'v'\ncontext.configure(connection=c, **O)",
        "O = {}\nO.update(version_table='v')\ncontext.configure(connection=c, **O)",
        "O = {}\nO |= {'version_table': 'v'}\ncontext.configure(connection=c, **O)",
        "O = {}\nif x:\n    O = {'version_table': 'v'}\ncontext.configure(connection=c, **O)",
        "O = {}\ndef run(c, O):\n    context.configure(connection=c, **O)",
        "from settings import O\ncontext.configure(connection=c, **O)",
        "O = {'version_table': 'a'}\ncontext.configure(url=u, **O)\ncontext.configure(connection=c)",
        "run_migrations()",
    ],
)
def test_what_is_computed_is_not_guessed(source: str) -> None:
    """Whatever only running the file would tell is unknown."""
    assert env_table.read(source.encode()) is None
