"""Services whose URL stands in a `.env` of their own, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.support import fleets, projects

SETTINGS = """
from pathlib import Path


def read():
    lines = (Path(__file__).parent.parent / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
"""
ENV = projects.ENV.replace(
    "from app.models import Base",
    "from app import settings\nfrom app.models import Base\n\n"
    "for name, value in settings.read().items():\n    os.environ.setdefault(name, value)",
)


@pytest.fixture
def shop(tmp_path: Path, new_database: NewDatabase, new_role: NewRole) -> fleets.Fleet:
    """One service, which reads its `.env` where a variable is not set, as `load_dotenv()` does."""
    owner = new_role(attributes="CREATEDB")
    fleet = fleets.Fleet(tmp_path / "fleet").add(
        "shop", new_database(owner=owner), owner, env=ENV, files={"app/settings.py": SETTINGS}
    )
    made = fleet.services["shop"]
    url = fleet.program.variables.pop(made.url_variable)
    (made.path / ".env").write_text(f"TOPIC=bread\n{made.url_variable}={url}\nAPI_TOKEN=hunter2hunter2\n")
    return fleet


def test_a_url_in_a_file_that_is_declared_is_used(shop: fleets.Fleet) -> None:
    """From models to an applied migration; the scratch database is in its place meanwhile."""
    shop.services["shop"].settings["env_file"] = ".env"
    ran = shop.written().run("regenerate", "--yes", "--apply")
    assert ran.code == 0, ran.told
    assert shop.databases["shop"].fetch("SELECT count(*) FROM product") == [(0,)]
    (status,) = shop.run("status", "--json").json["services"]
    assert status["state"] == "at_head"


def test_a_variable_that_is_set_goes_before_the_file(shop: fleets.Fleet) -> None:
    """Also where it leads to nothing: nobody looks into the file then."""
    service = shop.services["shop"]
    service.settings["env_file"] = ".env"
    shop.program.variables[service.url_variable] = "postgresql+asyncpg://me@localhost:1/elsewhere"
    (status,) = shop.written().run("status", "--json").json["services"]
    assert (status["state"], status["address"]) == ("unreachable", "localhost:1/elsewhere")


def test_a_file_that_nobody_has_declared_is_told_of(shop: fleets.Fleet) -> None:
    """And what to say so that it is read; where it is declared and missing, that."""
    service = shop.services["shop"]
    told = " ".join(shop.written().run("preflight").told.split())
    assert f"{service.url_variable} is not set; .env in its folder sets it: say env_file: .env in services.yaml" in told
    service.settings["env_file"] = "missing.env"
    told = " ".join(shop.written().run("preflight").told.split())
    assert f"{service.url_variable} is not set ({service.path / 'missing.env'} is missing)" in told


def test_secrets_of_the_file_are_not_repeated(shop: fleets.Fleet) -> None:
    """Neither the password of a URL nor what is secret by its name, in a traceback of the service's own code."""
    service, password = shop.services["shop"], shop.roles["shop"].password
    service.settings["env_file"] = ".env"
    service.write_models("import os\nraise RuntimeError(dict(os.environ), os.environ['API_TOKEN'])\n")
    ran = shop.written().run("regenerate", "--yes", "--ignore-preflight", "--debug", "--verbose")
    assert ran.code == 1, ran.told
    assert "RuntimeError" in ran.told
    assert "***" in ran.told
    for secret in (password, "hunter2hunter2"):
        assert secret not in ran.told


def test_a_file_that_is_none_is_told_by_its_line(shop: fleets.Fleet) -> None:
    """With the number, without what stands there."""
    service = shop.services["shop"]
    service.settings["env_file"] = ".env"
    (service.path / ".env").write_text("A=1\nhunter2 hunter3\n")
    ran = shop.written().run("status", "--json")
    (status,) = ran.json["services"]
    assert status["error"]["code"] == "env-file-unreadable", ran.told
    assert "line 2 is no NAME=value" in status["error"]["message"]
    assert "hunter" not in ran.told
