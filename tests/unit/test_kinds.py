"""Expand or contract: the documented table is the rule, and what can't be read is contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stillroom.runtime.reading import kinds

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "expand-contract.md"
_HEAD = 'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "b1"\ndown_revision = "a0"\n'


def _documented() -> list[tuple[str, str]]:
    rows = []
    for section in _PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        kind = section.splitlines()[0].strip().lower()
        rows += [(operation, kind) for operation in re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)]
    return rows


def _upgrade(*lines: str) -> str:
    return _HEAD + "\n\ndef upgrade():\n" + "".join(f"    {line}\n" for line in lines)


def test_the_page_has_both_tables() -> None:
    """The page can be read, and is not shorter than it was written."""
    found = [kind for _, kind in _documented()]
    assert (found.count("expand"), found.count("contract")) >= (16, 26)
    assert set(found) == {"expand", "contract"}


@pytest.mark.parametrize(("operation", "kind"), _documented())
def test_the_documented_table_holds(operation: str, kind: str) -> None:
    """Each documented operation is judged as its table says, alone and after an addition."""
    assert kinds.of(_upgrade(operation)).kind == kind
    assert kinds.of(_upgrade('op.add_column("o", sa.Column("n", sa.Text()))', operation)).kind == kind


@pytest.mark.parametrize(
    ("source", "kind", "reason"),
    [
        (_upgrade('op.drop_column("t", "c")') + 'stillroom_kind = "expand"\n', "expand", "stillroom_kind says so"),
        (_upgrade("pass") + "stillroom_kind: str = 'contract'\n", "contract", "stillroom_kind says so"),
        (_upgrade("pass") + "stillroom_kind = KIND\n", "contract", "line 10: stillroom_kind is neither"),
        (_upgrade("pass") + "stillroom_kind = 'additive'\n", "contract", "line 10: stillroom_kind is neither"),
        (_HEAD, "contract", "it has no function `upgrade`"),
        (_HEAD + "upgrade = something\n", "contract", "it has no function `upgrade`"),
        ("def upgrade(:\n", "contract", "line 1: it does not parse"),
        (_upgrade('op.drop_column("t", "c")'), "contract", "line 9: drop_column t c"),
        (_upgrade('op.execute("x")'), "contract", "line 9: raw SQL"),
        (_upgrade("pass"), "expand", "it does nothing"),
    ],
)  # fmt: skip
def test_a_file_may_say_it_itself(source: str, kind: str, reason: str) -> None:
    """A declaration goes before what is read; one that is no kind, and a file that tells nothing, are contract."""
    found = kinds.of(source)
    assert (found.kind, found.reason.startswith(reason)) == (kind, True), found


@pytest.mark.parametrize(
    "lines",
    [
        (
            'op.create_table("t", sa.Column("id", sa.Integer()))',
            'op.create_unique_constraint("uq", "t", ["id"])',
            'op.create_index("ix", "t", ["id"], unique=True)',
        ),
        (
            'op.create_table("t", sa.Column("id", sa.Integer()), schema="s")',
            'op.create_check_constraint("ck", "t", "id > 0", schema="s")',
        ),
        ('with op.batch_alter_table("t") as batch:', '    batch.add_column(sa.Column("c", sa.Text()))'),
        ("with op.get_context().autocommit_block():", '    op.create_index("ix", "t", ["c"])'),
        (
            'if not sa.inspect(op.get_bind()).has_table("t"):',
            '    op.create_table("t", sa.Column("id", GUID(), default=make()))',
        ),
        ('op.create_table("t", *columns())',),
        ("_more()", "", "def _more():", '    op.create_index("ix", "t", ["c"])'),
    ],
)
def test_additions_of_several_lines(lines: tuple[str, ...]) -> None:
    """What concerns a table of the same file, batches, autocommit blocks and own functions are followed."""
    source = _upgrade(*lines) if "def _more():" not in lines else _upgrade(lines[0]) + "\n".join(lines[1:]) + "\n"
    assert kinds.of(source) == kinds.Kind("expand", "additive operations only")


@pytest.mark.parametrize(
    "lines",
    [
        (
            'op.create_table("t", sa.Column("id", sa.Integer()))',
            'op.create_check_constraint("ck", "t", "id > 0", schema="other")',
        ),
        ('with op.batch_alter_table("t") as batch:', '    batch.drop_column("c")'),
        ('with op.batch_alter_table("t") as batch:', '    batch.alter_column("c", nullable=False)'),
        ("for each in TABLES:", "    op.drop_table(each)"),
        ("_more()", "", "def _more():", '    op.drop_column("t", "c")'),
        ('op.alter_column("t", "c", **options)',),
        ('op.add_column("t", sa.Column("c", sa.Text(), nullable=MAYBE))',),
        ('op.create_index("ix", "t", ["c"], **options)',),
        ("bind = op.get_bind()", 'bind.execute(sa.text("DROP TABLE t"))'),
        ("session = Session(bind=op.get_bind())", "session.commit()"),
        ("metadata.create_all(op.get_bind())",),
        ('sa.Enum(name="mood").drop(op.get_bind())',),
    ],
)
def test_a_contraction_is_found_wherever_it_stands(lines: tuple[str, ...]) -> None:
    """In batches, loops, own functions, other schemas; and what only running the file would tell is contract."""
    source = _upgrade(*lines) if "def _more():" not in lines else _upgrade(lines[0]) + "\n".join(lines[1:]) + "\n"
    assert kinds.of(source).kind == "contract"


def test_another_name_for_op_is_known() -> None:
    """`from alembic import op as o` is the same op."""
    source = _upgrade('o.drop_column("t", "c")').replace("import op", "import op as o")
    assert kinds.of(source) == kinds.Kind("contract", "line 9: drop_column t c")
