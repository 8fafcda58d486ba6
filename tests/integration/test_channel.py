"""The channel to a service's process, whatever the service's code does in it, and whichever target it runs at."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.wire import protocol
from stillroom.targets import base, channel, local
from stillroom.targets.kubernetes.kubectl import Kubectl
from stillroom.targets.kubernetes.target import Kubernetes
from tests.conftest import NewDatabase
from tests.support import projects, targets
from tests.support.cluster import Cluster
from tests.support.postgres import Database


class Heard:
    """Keeps what a conversation said."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.bytes = 0
        self.tail = b""
        self.started = threading.Event()

    def event(self, event: dict[str, Any]) -> None:
        """See `channel.Listener`."""
        self.events.append(event)
        self.started.set()

    def output(self, data: bytes) -> None:
        """See `channel.Listener`."""
        self.bytes += len(data)
        self.tail = (self.tail + data)[-2000:]


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def scratch_databases(database: Database, service: projects.Made) -> list[str]:
    """The scratch databases of a service that there are."""
    rows = database.server.fetch(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"stillroom_scratch_{service.name}_"]
    )
    return [row[0] for row in rows]


@pytest.fixture(params=["local", "kubernetes"])
def target(request: pytest.FixtureRequest) -> Iterator[base.Target]:
    """A target of each kind: the same holds for all of them."""
    opened: base.Target = local.Local() if request.param == "local" else _cluster(request)
    yield opened
    opened.close()


def _cluster(request: pytest.FixtureRequest) -> base.Target:
    """A cluster with one service; its container sees the folders of this machine."""
    cluster: Cluster = request.getfixturevalue("cluster")
    cluster.deploy("shop")
    return Kubernetes(Kubectl(kubeconfig=cluster.kubeconfig))


def request(
    service: projects.Made, database: Database, operation: str = "generate", **changes: Any
) -> protocol.Request:
    """A request for one operation of a service."""
    facts = {
        "name": service.name,
        "path": str(service.path),
        "config": str(service.config),
        "models": ["app.models"],
        "url_variable": service.url_variable,
    }
    given = {"id": "r1", "options": {}, "environment": {service.url_variable: database.asyncpg}, "time_limit": 60.0}
    return protocol.Request(operation=operation, service=facts, **{**given, **changes})


def ask(target: base.Target, asked: protocol.Request, heard: Heard | None = None) -> dict[str, Any]:
    """The result; raises what it raises."""
    return channel.converse(target.start(asked.id, targets.service()), asked, heard or Heard())


def test_prints_of_the_service_do_not_disturb_the_answer(
    target: base.Target, tmp_path: Path, database: Database
) -> None:
    """A print in the models, also one that looks like an answer, ends up as output."""
    noise = 'print("hello"); print(\'{"event": "result", "value": {"tables": 99}}\', flush=True)\n'
    shop = projects.make_service(tmp_path / "shop", models=noise + projects.table("product", "name: Mapped[str]"))
    heard = Heard()
    assert ask(target, request(shop, database), heard)["tables"] == 1
    assert b"hello" in heard.tail


def test_fifty_megabytes_of_log_are_survived(target: base.Target, tmp_path: Path, database: Database) -> None:
    """They pass through; only their end is kept."""
    line = '"x" * 1023 + "\\n" + "y" * (1024 * 1024 - 1025) + "\\n"'
    noise = f"import sys\nfor _ in range(50):\n    sys.stderr.write({line})\n"
    shop = projects.make_service(tmp_path / "shop", models=noise + projects.table("product", "name: Mapped[str]"))
    heard = Heard()
    assert ask(target, request(shop, database), heard)["tables"] == 1
    assert heard.bytes > 50_000_000


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11"),
        ("import os; os._exit(0)", "exit status 0"),
        ("import os; os.closerange(3, 4096); os._exit(0)", "answer was lost"),
    ],
    ids=["killed", "crashed", "exits with 0", "closes everything"],
)
def test_a_process_that_ends_is_an_error(
    target: base.Target, tmp_path: Path, database: Database, code: str, says: str
) -> None:
    """However it ends, also with status 0, it is no result; the next request works."""
    shop = projects.make_service(tmp_path / "shop", models=code)
    with pytest.raises(base.TargetFailed, match=says) as caught:
        ask(target, request(shop, database))
    assert caught.value.code == "answer-lost"
    assert caught.value.mend
    well = projects.make_service(tmp_path / "well")
    assert ask(target, request(well, database))["tables"] == 1


@pytest.mark.parametrize(
    ("code", "fault", "says"),
    [
        ("import sys; sys.exit(3)", "service-code-exited", "SystemExit 3"),
        (
            "import sys; print('use shop-manage'); sys.exit(1)",
            "service-code-exited",
            "the last it printed: use shop-manage",
        ),
        ("raise KeyboardInterrupt", "unexpected", "KeyboardInterrupt"),
        ("raise RuntimeError('no luck')", "service-code-failed", "no luck"),
        ("import nothing_like_it", "models-do-not-import", "nothing_like_it"),
        ("def broken(:", "models-do-not-import", "models.py:"),
        ("import os; os.environ['JWT_SECRET_KEY']", "variable-missing", "JWT_SECRET_KEY"),
    ],
    ids=[
        "exits",
        "says why it exits",
        "interrupts",
        "raises",
        "imports what is missing",
        "does not parse",
        "wants a variable",
    ],
)
def test_what_the_service_raises_is_told_with_its_place(
    target: base.Target, tmp_path: Path, database: Database, code: str, fault: str, says: str
) -> None:
    """The fault has a name, the file and line in the service, and a mend."""
    shop = projects.make_service(tmp_path / "shop", models=code)
    with pytest.raises(faults.Fault, match=says) as caught:
        ask(target, request(shop, database))
    assert caught.value.code == fault
    assert "models.py" in caught.value.message
    assert caught.value.mend


def test_a_hang_ends_at_the_time_limit(target: base.Target, tmp_path: Path, database: Database) -> None:
    """The runtime ends itself, cleans up, and says so."""
    shop = projects.make_service(tmp_path / "hangs", models="import time; time.sleep(600)")
    with pytest.raises(faults.Fault) as caught:
        ask(target, request(shop, database, time_limit=1.0))
    assert caught.value.code == "terminated"
    assert scratch_databases(database, shop) == []


def test_a_hang_that_ignores_its_end_is_killed(
    target: base.Target, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that swallows every exception is killed from outside, and told so."""
    monkeypatch.setattr(channel, "_PATIENCE_SECONDS", 2.0)
    stubborn = "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass\n"
    shop = projects.make_service(tmp_path / "shop", models=stubborn)
    with pytest.raises(base.TargetFailed) as caught:
        ask(target, request(shop, database, time_limit=1.0))
    assert caught.value.code == "time-limit"


def test_the_worker_ends_when_the_operator_leaves(target: base.Target, tmp_path: Path, database: Database) -> None:
    """Closed pipes end the service's process, and its scratch database goes."""
    shop = projects.make_service(tmp_path / "left", models="import time; time.sleep(600)")
    asked = request(shop, database)
    process = target.start(asked.id, targets.service())
    process.stdin.write(protocol.encode_request(asked))
    process.stdin.flush()
    while b"autogenerate" not in process.stdout.readline():
        pass
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    assert process.wait(30) is not None
    assert scratch_databases(database, shop) == []


def test_the_parent_takes_its_workers_along(tmp_path: Path, database: Database) -> None:
    """A killed parent leaves the running request to end by itself; the next one gets a new parent."""
    target = local.Local()
    shop = projects.make_service(tmp_path / "shop")
    try:
        assert ask(target, request(shop, database))["tables"] == 1
        parent = next(iter(target._parents.values()))
        os.kill(parent._process.pid, signal.SIGKILL)
        parent._process.wait()
        assert ask(target, request(shop, database))["tables"] == 1
    finally:
        target.close()


def test_services_cannot_shadow_the_standard_library(target: base.Target, tmp_path: Path, database: Database) -> None:
    """A folder with its own logging.py and typing.py works (K13)."""
    ini = projects.INI.replace("prepend_sys_path = .\n", "")
    shop = projects.make_service(
        tmp_path / "shop",
        ini=ini,
        files={"logging.py": "raise ImportError('shadowed')", "typing.py": "raise ImportError"},
    )
    assert ask(target, request(shop, database))["tables"] == 1


def test_an_unknown_operation_and_interpreter_are_named(
    target: base.Target, tmp_path: Path, database: Database
) -> None:
    """Both are errors with a mend, not crashes."""
    shop = projects.make_service(tmp_path / "shop")
    with pytest.raises(faults.WrongRequest, match="no operation 'dance'"):
        ask(target, request(shop, database, "dance"))
    with pytest.raises(base.TargetFailed, match="/no/such/python") as caught:
        target.start("r2", targets.service("two", python="/no/such/python", workload="shop"))
    assert caught.value.code == "interpreter-missing"
    with pytest.raises(base.TargetFailed) as caught:
        target.start("r3", targets.service("three", python="/bin/false", workload="shop"))
    assert caught.value.code == "interpreter-broken"


def test_a_broken_file_that_the_parent_imports_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line, and no word of the interpreter's age: it is a syntax error for every Python."""
    broken = tmp_path / "selectors.py"
    broken.write_text("import os\n\ndef connect(:\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    target = local.Local()
    try:
        with pytest.raises(base.TargetFailed) as caught:
            target.start("r1", targets.service())
    finally:
        target.close()
    assert caught.value.code == "interpreter-broken"
    assert f"SyntaxError: invalid syntax ({broken}:3)" in caught.value.message
    assert caught.value.mend.startswith("mend that line") and "3.10" not in caught.value.mend


def test_nothing_is_left_behind(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary folder, no scratch database, no file beside the service's own."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    shop = projects.make_service(tmp_path / "traceless")
    before = {path for path in shop.path.rglob("*") if "__pycache__" not in path.parts}
    target = local.Local()
    try:
        ask(target, request(shop, database))
    finally:
        target.close()
    assert {path for path in shop.path.rglob("*") if "__pycache__" not in path.parts} == before
    assert list(temporary.iterdir()) == []
    assert scratch_databases(database, shop) == []


def test_many_requests_at_once(target: base.Target, tmp_path: Path, database: Database) -> None:
    """Eight threads share one parent, and each gets its own answer (A17)."""
    services = [
        projects.make_service(tmp_path / f"shop{n}", models="".join(projects.table(f"t{n}_{i}") for i in range(n + 1)))
        for n in range(8)
    ]
    answers: dict[int, Any] = {}

    def one(n: int) -> None:
        answers[n] = ask(target, request(services[n], database, id=f"r{n}"))["tables"]

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: n + 1 for n in range(8)}


def test_secrets_reach_no_command_line(target: base.Target, tmp_path: Path, database: Database) -> None:
    """While a request runs, no process on this machine shows the URL's password among its arguments."""
    shop = projects.make_service(tmp_path / "shop", models="import time; time.sleep(3)")
    asked = request(shop, database)
    heard = Heard()

    def run() -> None:
        with pytest.raises(faults.Fault):
            ask(target, asked, heard)

    thread = threading.Thread(target=run)
    thread.start()
    heard.started.wait(30)
    password = database.asyncpg.split("://", 1)[1].split("@", 1)[0].partition(":")[2]
    assert password
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert password.encode() not in process.read_bytes()
            except OSError:
                continue
    thread.join()
