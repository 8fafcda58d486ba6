"""What a migration decides without a database: exit codes, quick ways, the last word, which variable leads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import facts, faults
from stillroom.runtime.migrating import described, exits, last_word, quickly, recreate, settings
from stillroom.runtime.projects import sources
from stillroom.runtime.verifying import verdict


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.ProjectFault("revision-failed", "", "", data={"cause": "statement-failed"}), 20),
        (faults.DatabaseFault("revision-failed", "", "", data={"cause": "lock-timeout"}), 21),
        (faults.DatabaseFault("half-applied", "", "", data={"cause": "database-unreachable"}), 21),
        (faults.ProjectFault("half-applied", "", "", data={"cause": "statement-failed"}), 20),
        (faults.ProjectFault("nothing-applied", "", ""), 20),
        (faults.DatabaseFault("service-role-lacks", "", ""), 20),
        (faults.DatabaseFault("database-unreachable", "", ""), 21),
        (faults.DatabaseFault("too-many-connections", "", ""), 21),
        (faults.DatabaseFault("migration-locked", "", ""), 21),
        (faults.DatabaseFault("lock-lost", "", ""), 21),
        (faults.RefusedFault("pooler-in-between", "", ""), 22),
        (faults.RefusedFault("unknown-revision", "", ""), 22),
        (faults.WrongRequest("duration-invalid", "", ""), 22),
        (faults.Fault("unexpected", "", ""), 20),
    ],
)
def test_exit_codes(fault: faults.Fault, code: int) -> None:
    """What caused a fault decides whether trying again can help; that is also what the ledger notes as fatal."""
    assert exits.of(fault) == code
    assert exits.is_fatal(fault) == (code != 21)


def test_the_last_word(tmp_path: Path) -> None:
    """It replaces what stands there, within what Kubernetes shows; no file is made for it."""
    place = tmp_path / "log"
    fault = faults.Fault("revision-failed", "x" * 9000, "mend it")
    last_word.write("Migration failed", fault, str(place))
    assert not place.exists()

    place.write_text("y" * 20000)
    last_word.write("Migration failed", fault, str(place))

    assert place.read_text().startswith("Migration failed: xxx")
    assert len(place.read_bytes()) == 4096


@pytest.mark.parametrize(
    ("changes", "settled"),
    [
        ({}, True),
        ({"state": verdict.DRIFTED, "ready": False}, True),
        ({"state": verdict.UNPROVEN, "ready": False}, False),
        ({"state": verdict.BEHIND, "ready": False}, False),
        ({"state": verdict.AHEAD}, False),
        ({"run": None}, False),
        ({"run": {"outcome": "running"}}, False),
        ({"current": ("1", "2")}, False),
    ],
)
def test_what_is_settled_at_a_look(changes: dict[str, Any], settled: bool) -> None:
    """Only a database that a run brought to these very heads, and that run to its end, needs no closer look."""
    found: dict[str, Any] = {"state": verdict.AT_HEAD, "ready": True, "current": ("2",), "heads": ("2",)}
    found |= {"run": {"outcome": "done"}, "message": "", **changes}

    assert quickly._settled(verdict.Verdict(**found)) is settled


@pytest.mark.parametrize(
    ("said", "free"),
    [
        ("development", True),
        ("DEV", True),
        ("local", True),
        ("test", True),
        ("staging", False),
        ("", False),
        ("qa", False),
    ],
)
def test_where_a_database_may_be_recreated(said: str, free: bool) -> None:
    """Only in environments that say so explicitly."""
    if free:
        recreate.need_free_environment({"ENVIRONMENT": said})
        return
    with pytest.raises(faults.RefusedFault):
        recreate.need_free_environment({"ENVIRONMENT": said})


@pytest.mark.parametrize(("said", "asked"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_who_asks_to_recreate(said: str, asked: bool) -> None:
    """DB_FORCE_RECREATE says yes or no, and nothing between."""
    assert recreate.asked({"DB_FORCE_RECREATE": said}) is asked
    with pytest.raises(faults.WrongRequest, match="DB_FORCE_RECREATE is 'perhaps'"):
        recreate.asked({"DB_FORCE_RECREATE": "perhaps"})


def test_migration_urls_go_before_the_services_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """MIGRATION_ before the name of its variable; but what the operator's side gives itself goes before that."""
    own, direct = "postgresql+asyncpg://a:b@pooler/shop", "postgresql+asyncpg://a:b@server/shop"
    monkeypatch.setenv("SHOP_DATABASE_URL", own)
    service = facts.ServiceFacts("direct-shop", ".", None, url_variable="SHOP_DATABASE_URL")
    assert sources.url(service) == own

    monkeypatch.setenv("MIGRATION_SHOP_DATABASE_URL", direct)
    monkeypatch.setenv("GIVEN", own)
    given = facts.ServiceFacts("given-shop", ".", None, url_variable="SHOP_DATABASE_URL", given_url_variable="GIVEN")
    monkeypatch.setattr(sources, "_current", {})
    assert sources.url(given) == own
    assert sources.url(service) == direct


def test_a_service_is_described_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a Job nothing has to be said: ./alembic.ini, and the one URL there is; MIGRATION_DATABASE_URL goes before it."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    described.add_arguments(parser)

    found = described.service(parser.parse_args([]), {"DATABASE_URL": "postgresql://a/b"})
    direct = described.service(
        parser.parse_args(["--service", "shop"]),
        {
            "SHOP_DATABASE_URL": "postgresql://a/b",
            "MIGRATION_DATABASE_URL": "postgresql://c/b",
            "STILLROOM_GRANTS": "select",
        },
    )

    assert (found.name, found.path, found.url_variable) == (tmp_path.name, str(tmp_path), "DATABASE_URL")
    assert found.given_url_variable is None
    assert (direct.name, direct.url_variable, direct.given_url_variable, direct.grants) == (
        "shop", "SHOP_DATABASE_URL", "MIGRATION_DATABASE_URL", ("select",),
    )  # fmt: skip
    assert settings.Settings() == settings.from_environment({}, {})
