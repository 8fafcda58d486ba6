"""The example fleet holds what its README promises."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "examples" / "bakery"
SERVICES = [
    "alert-processor",
    "auth",
    "external",
    "forecasting",
    "inventory",
    "notification",
    "orders",
    "pos",
    "production",
    "recipes",
    "sales",
    "suppliers",
    "tenant",
    "training",
]

# What is to be found in the models, and a service that shows it.
SHOWN = {
    "array of enum": "tenant",
    "array of text": "sales",
    "array of uuid": "training",
    "association table": "production",
    "brin index": "alert-processor",
    "check constraint": "external",
    "cidr": "auth",
    "comment on a column": "notification",
    "comment on a table": "notification",
    "composite foreign key": "recipes",
    "composite index": "auth",
    "composite primary key": "tenant",
    "computed column": "pos",
    "covering index": "sales",
    "cycle, named": "recipes",
    "cycle, unnamed": "production",
    "cycle, use_alter": "tenant",
    "deferrable constraint": "suppliers",
    "descending index": "external",
    "enum in another schema": "forecasting",
    "enum in public": "auth",
    "enum of two tables": "suppliers",
    "enum that is a text with a check": "sales",
    "exclusion constraint": "production",
    "expression index": "auth",
    "gin index": "notification",
    "gin index on jsonb": "external",
    "gist index": "orders",
    "hnsw index": "training",
    "identity column": "orders",
    "index with parameters": "alert-processor",
    "inet": "auth",
    "interval": "forecasting",
    "joined-table inheritance": "notification",
    "jsonb with a server default": "tenant",
    "macaddr": "inventory",
    "naming convention": "tenant",
    "no naming convention": "production",
    "numeric with a check": "sales",
    "partial index": "auth",
    "range": "sales",
    "schema": "pos",
    "self-referencing foreign key": "tenant",
    "sequence": "suppliers",
    "single-table inheritance": "notification",
    "text search": "notification",
    "timestamp with time zone": "auth",
    "type of its own": "training",
    "unique constraint": "tenant",
    "unique, nulls not distinct": "external",
    "unlogged table": "alert-processor",
    "uuid key with a server default": "auth",
    "vector": "training",
}


@dataclass(frozen=True)
class Facts:
    """What one service holds."""

    service: str
    tables: int
    features: list[str]
    routes: list[str]


@pytest.fixture(scope="module")
def fleet() -> dict[str, Facts]:
    """Facts by service, read in processes of their own since every package is called `app`."""
    script = Path(__file__).with_name("bakery_facts.py")
    done = subprocess.run([sys.executable, "-P", str(script), str(FLEET)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts = [Facts(**json.loads(line)) for line in done.stdout.splitlines()]
    return {each.service: each for each in facts}


def test_the_fleet_is_fourteen_services(fleet: dict[str, Facts]) -> None:
    """Each of them imports by itself, without a database and without any variable."""
    assert sorted(fleet) == SERVICES


def test_the_registry_lists_the_fleet() -> None:
    """Every folder is a service of `services.yaml`, and every service there is a folder."""
    registry = yaml.safe_load((ROOT / "services.yaml").read_text("utf-8"))
    assert sorted(registry["services"]) == SERVICES


def test_one_service_has_one_table_and_one_has_thirty(fleet: dict[str, Facts]) -> None:
    """The smallest and the largest; the others are in between."""
    assert fleet["external"].tables == 1
    assert fleet["inventory"].tables == 30
    assert all(3 <= fleet[name].tables <= 12 for name in SERVICES if name not in {"external", "inventory"})


@pytest.mark.parametrize(("feature", "service"), SHOWN.items())
def test_the_models_show(fleet: dict[str, Facts], feature: str, service: str) -> None:
    """What autogenerate trips over, or must carry over whole, stands in the models of that service."""
    assert feature in fleet[service].features


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_endpoints_of_its_own(fleet: dict[str, Facts], service: str) -> None:
    """A service is not a stub: it has endpoints that use its models. (Its probes are there once it starts.)"""
    assert len(fleet[service].routes) >= 2


@pytest.mark.parametrize("service", SERVICES)
def test_the_url_comes_from_the_variable_of_the_service(service: str) -> None:
    """No configuration file holds a URL; the one place that reads it names the service's own variable."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(FLEET / service / "alembic.ini")
    assert "sqlalchemy.url" not in config["alembic"]
    variable = service.upper().replace("-", "_") + "_DATABASE_URL"
    assert f'URL_VARIABLE = "{variable}"' in (FLEET / service / "app" / "database.py").read_text("utf-8")


def test_the_readme_tells_the_number_of_tables(fleet: dict[str, Facts]) -> None:
    """The table of the README names each service, with as many tables as it has."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (FLEET / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name: int(count) for name, count in rows} == {name: facts.tables for name, facts in fleet.items()}
