"""Fixtures of the tests that run commands: small fleets with databases on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.support import fleets, projects

SHOP = projects.table("account", "email: Mapped[str]") + projects.table(
    "session", 'account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))'
)


@pytest.fixture
def auth(tmp_path: Path, new_database: NewDatabase) -> fleets.Fleet:
    """A fleet of one service, `auth`, with two tables and no history."""
    return fleets.Fleet(tmp_path / "shop").add("auth", new_database(), models=SHOP).written()


@pytest.fixture
def shop(tmp_path: Path, new_database: NewDatabase) -> fleets.Fleet:
    """A fleet of two sound services, `auth` (two tables) and `sales` (one), a database each, no history."""
    fleet = fleets.Fleet(tmp_path / "shop")
    fleet.add("auth", new_database(), models=SHOP)
    fleet.add("sales", new_database(), models=projects.table("sale", "amount: Mapped[decimal.Decimal]"))
    return fleet.written()
