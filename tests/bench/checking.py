"""How long `invoke check` takes for thousands of revision files: the first time, and when it remembers them."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tests.bench import meter, processes

__all__ = ["FILES", "measure"]

FILES = 2000
_SERVICES = 10
_TARGET = "from stillroom.tasks import namespace as namespace\n"
_INI = "[alembic]\nscript_location = migrations\n"
_ENV = "from alembic import context\n\ncontext.configure(url='postgresql://', target_metadata=None)\n"
_HEAD = '''"""Add what release {number} needs

Revision ID: {id}
Revises: {down}
Create Date: 2026-01-01 12:00:00.000000

"""

from typing import Sequence, Union

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision: str = "{id}"
down_revision: Union[str, None] = {parent!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
'''
# In published histories a file has 2.9 kB on average: some make tables, most change a few columns, some change rows.
_TABLE = """    op.create_table(
        "table_{number}",
        sa.Column("id", postgresql.UUID(as_uuid=True), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("price", sa.Numeric(precision=10, scale=2), server_default="0", nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["table_0.id"], name=op.f("fk_table_{number}_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_table_{number}")),
        sa.UniqueConstraint("name", name=op.f("uq_table_{number}_name")),
    )
    op.create_index(op.f("ix_table_{number}_created_at"), "table_{number}", ["created_at"], unique=False)
    op.create_index(op.f("ix_table_{number}_price"), "table_{number}", ["price"], unique=False)
"""
_CHANGE = """    with op.batch_alter_table("table_{number}", schema=None) as batch_op:
        batch_op.add_column(sa.Column("amount", sa.Integer(), server_default="0", nullable=False))
        batch_op.alter_column("note", existing_type=sa.Text(), nullable=False, existing_server_default="''")
    op.add_column("table_{number}", sa.Column("kind", sa.Enum("one", "two", "three", name="kind_{number}")))
    op.create_foreign_key(op.f("fk_{number}_kind"), "table_{number}", "table_0", ["kind"], ["id"])
"""
_ROWS = """    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, name FROM table_{number} WHERE note IS NULL")).fetchall()
    for row in rows:
        connection.execute(
            sa.text("UPDATE table_{number} SET note = :note WHERE id = :id"), {{"note": row.name.strip(), "id": row.id}}
        )
    op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_{number}_note ON table_{number} USING gin (note)")
"""
_TAIL = """

def downgrade() -> None:
    op.drop_constraint(op.f("fk_{number}_kind"), "table_{number}", type_="foreignkey")
    op.drop_column("table_{number}", "kind")
    op.drop_index(op.f("ix_table_{number}_price"), table_name="table_{number}")
    op.drop_index(op.f("ix_table_{number}_created_at"), table_name="table_{number}")
    op.drop_table("table_{number}")
"""


def measure(root: Path, rounds: int) -> list[meter.Series]:
    """`invoke services` (what a command costs before it does anything), `invoke check` anew, and again.

    Args:
        root: an empty folder.
        rounds: runs of each, in turns, after one of each that does not count.
    """
    _write(root)
    series = [
        meter.Series("invoke services (start)"),
        meter.Series("invoke check"),
        meter.Series("invoke check, again"),
    ]
    clock = meter.Meter(None)
    for number in range(rounds + 1):
        shutil.rmtree(root / ".stillroom", ignore_errors=True)
        for each, command in zip(series, ("services", "check", "check"), strict=True):
            sample = clock.run(lambda name=command: processes.run([processes.program("invoke"), name], root))
            if number:
                each.samples.append(sample)
    return series


def _write(root: Path) -> None:
    services = {}
    for index in range(_SERVICES):
        name = f"service-{index}"
        services[name] = {"path": name, "url_variable": "DATABASE_URL", "database": name}
        versions = root / name / "migrations" / "versions"
        versions.mkdir(parents=True)
        (root / name / "alembic.ini").write_text(_INI, encoding="utf-8")
        (versions.parent / "env.py").write_text(_ENV, encoding="utf-8")
        for number in range(FILES // _SERVICES):
            (versions / f"{_id(index, number)}_release_{number}.py").write_text(_file(index, number), encoding="utf-8")
    registry = {"environments": {"local": {"target": "local"}}, "services": services}
    (root / "services.yaml").write_text(yaml.safe_dump(registry, sort_keys=False), encoding="utf-8")
    (root / "tasks.py").write_text(_TARGET, encoding="utf-8")


def _id(index: int, number: int) -> str:
    return f"{index:02x}{number:010x}"


def _file(index: int, number: int) -> str:
    down = _id(index, number - 1) if number else None
    parts = [_HEAD, *([_TABLE] if number % 3 == 0 else []), _CHANGE, *([_ROWS] if number % 5 == 0 else []), _TAIL]
    return "".join(parts).format(number=number, id=_id(index, number), down=down or "", parent=down)
