"""Models that autogenerate renders or compares wrongly: mended where that can be, told with a way out where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.runtime import faults
from tests.conftest import NewDatabase
from tests.support import asking, projects

EMAIL = "\nEmail = postgresql.DOMAIN('email', sa.Text, check=r\"VALUE ~ '^[[\\:alpha\\:]%]+@'\", not_null=True)\n"
CHILD = """
Child = sa.Table(
    'child', Base.metadata, sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Integer),
    postgresql_inherits='parent'
)
"""


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """Asks for operations."""
    asker = asking.Asker()
    yield asker
    asker.close()


def test_domains_are_made_once_and_dropped_again(ask: asking.Asker, tmp_path: Path, new_database: NewDatabase) -> None:
    """For two tables that use one, and for a column that comes later; what is there is no change."""
    pytest.importorskip("sqlalchemy.dialects.postgresql.named_types", reason="SQLAlchemy 1.4 has no DOMAIN")
    models = EMAIL + "".join(projects.table(each, "mail: Mapped[str] = mapped_column(Email)") for each in ("a", "b"))
    service = projects.make_service(tmp_path / "shop", models=models)
    url = new_database().asyncpg
    made = ask(service, url, "generate")
    text = made["file"]["content"]
    assert text.count("CREATE DOMAIN") == text.count("DROP DOMAIN") == 1
    service.write(f"migrations/versions/{made['file']['name']}", text)
    assert ask(service, url, "revision")["unchanged"]
    code = "Code = postgresql.DOMAIN('code', sa.Integer, check='VALUE > 0')\n"
    service.write_models(code + models + "    code: Mapped[int | None] = mapped_column(Code)\n")
    added = ask(service, url, "revision")
    assert [line for line in added["difference"] if line.startswith("+ domain ")] != []
    assert "+ column public.b.code: public.code" in added["difference"]


@pytest.mark.parametrize("precision", [10, 24, 25])
def test_a_float_of_few_digits_is_a_real(
    precision: int, ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """PostgreSQL makes it one, and that is no difference."""
    models = projects.table("t", f"n: Mapped[float] = mapped_column(sa.Float({precision}))")
    service = projects.make_service(tmp_path / "shop", models=models)
    url = new_database().asyncpg
    made = ask(service, url, "generate")
    service.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    assert ask(service, url, "revision")["unchanged"]
    if precision < 25:
        service.write_models(models.replace(f"Float({precision})", "Float(25)"))
        assert "double precision" in "".join(ask(service, url, "revision")["difference"])


def test_a_double_that_is_to_be_a_real_is_a_difference(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """Alembic takes `FLOAT(24)` and `double precision` for the same, and PostgreSQL does not."""
    models = projects.table("t", "n: Mapped[float] = mapped_column(sa.Float)")
    service = projects.make_service(tmp_path / "shop", models=models)
    url = new_database().asyncpg
    made = ask(service, url, "generate")
    service.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    service.write_models(models.replace("sa.Float", "sa.Float(24)"))
    assert "real" in "".join(ask(service, url, "revision")["difference"])


@pytest.mark.parametrize(
    ("models", "code", "mend"),
    [
        (projects.table("parent") + CHILD, "upgrade-fails", "child.add_is_dependent_on(parent)"),
        (
            projects.table("t", "n: Mapped[str]") + "\nsa.Index('ix', T.__table__.c.n.collate('C').desc())\n",
            "diff-not-empty",
            "put the collation on the column",
        ),
    ],
    ids=["inherits", "collate"],
)
def test_what_can_not_be_mended_says_what_can_be_done(
    models: str, code: str, mend: str, ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """And what is said does it."""
    service = projects.make_service(tmp_path / "shop", models=models)
    url = new_database().asyncpg
    with pytest.raises(faults.JudgedFault) as caught:
        ask(service, url, "generate")
    assert (caught.value.code, mend in caught.value.mend) == (code, True), caught.value.mend
    mended = models + "\nChild.add_is_dependent_on(Parent.__table__)\n"
    if code == "diff-not-empty":
        mended = projects.table("t", "n: Mapped[str] = mapped_column(sa.Text(collation='C'), index=True)")
    service.write_models(mended)
    assert ask(service, url, "generate")["tables"] > 0
