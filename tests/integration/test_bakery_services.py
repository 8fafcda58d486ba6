"""The services of the example fleet work on a real PostgreSQL, and their models are stable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.bakery_walk import SCENES
from tests.support.postgres import Server


def test_every_service_works_and_its_models_compare_equal_to_what_they_made(postgres: Server) -> None:
    """Endpoints answer; Alembic sees no difference after `create_all`, types and server defaults included."""
    shared = {"pos": "shopfloor", "orders": "shopfloor"}
    databases = {name: postgres.create_database().name for name in {shared.get(name, name) for name in SCENES}}
    urls = {name: postgres.url(databases[shared.get(name, name)]) for name in SCENES}
    script = Path(__file__).with_name("bakery_walk.py")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script)], input=json.dumps(urls), capture_output=True, text=True
        )
    finally:
        for name in databases.values():
            postgres.drop_database(name)
    assert done.returncode == 0, done.stderr
    walked = {line["service"]: line["problem"] for line in map(json.loads, done.stdout.splitlines())}
    assert set(walked) == set(SCENES)
    wrong = [f"{service}: {problem}" for service, problem in walked.items() if problem is not None]
    assert not wrong, "\n".join(wrong)
