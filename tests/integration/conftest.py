"""Fixtures of the tests that run commands: small fleets with databases on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.support import fleets, projects
from tests.support.cluster.fixtures import cluster, kubectl, kubectl_program
from tests.support.postgres import Role

__all__ = ["auth", "cluster", "kubectl", "kubectl_program", "owner", "shop"]

SHOP = projects.table("account", "email: Mapped[str]") + projects.table(
    "session", 'account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))'
)
SALE = projects.table("sale", "amount: Mapped[decimal.Decimal]")


@pytest.fixture
def owner(new_role: NewRole) -> Role:
    """The role that services connect as: it may create databases, and no more."""
    return new_role(attributes="CREATEDB")


@pytest.fixture
def auth(tmp_path: Path, new_database: NewDatabase, owner: Role) -> fleets.Fleet:
    """A fleet of one service, `auth`, with two tables and no history."""
    return fleets.Fleet(tmp_path / "shop").add("auth", new_database(owner=owner), owner, models=SHOP).written()


@pytest.fixture
def shop(tmp_path: Path, new_database: NewDatabase, owner: Role) -> fleets.Fleet:
    """A fleet of two sound services, `auth` (two tables) and `sales` (one), a database each, no history."""
    fleet = fleets.Fleet(tmp_path / "shop")
    fleet.add("auth", new_database(owner=owner), owner, models=SHOP)
    fleet.add("sales", new_database(owner=owner), owner, models=SALE)
    return fleet.written()
