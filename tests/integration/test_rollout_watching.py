"""Jobs under observation, whatever becomes of the connection: one watch, whole logs, the true end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from stillroom import errors, fleet, journal
from stillroom.registry import load, model
from stillroom.rollout import cluster as clusters
from stillroom.rollout import results, running
from tests.support.cluster import Cluster

_LABELS = {
    "app.kubernetes.io/managed-by": "stillroom",
    "app.kubernetes.io/component": "migration",
    "stillroom.dev/environment": "test",
}
_IMAGE = "registry.test/worker:1"


class Watcher:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.steps: list[str] = []
        self.seen = threading.Condition()

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""
        self.steps.append(step)

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        with self.seen:
            self.warnings.append(message)
            self.seen.notify_all()

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""
        with self.seen:
            self.lines.append((service, line))
            self.seen.notify_all()

    def until(self, line: str) -> None:
        """Waits until a line was printed."""
        with self.seen:
            assert self.seen.wait_for(lambda: any(each == line for _, each in self.lines), 120.0)


class Jobs:
    """Jobs of a few lines of Python each, and what runs them."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        text = f"environments:\n  test: {{target: kubernetes, namespace: default, kubeconfig: {cluster.kubeconfig}}}\n"
        names = [f"s{at}" for at in range(12)]
        text += "services:\n" + "".join(f"  {name}: {{path: {name}}}\n" for name in names)
        for name in names:
            (folder / name).mkdir(parents=True)
        (folder / "services.yaml").write_text(text, encoding="utf-8")
        self.folder = folder
        self.cluster = cluster
        self.fleet: model.Fleet = load.load(folder / "services.yaml")
        self.found = clusters.Cluster(self.fleet.environments["test"])
        self.runner = running.Runner(self.found.door, self.found.selector)
        self.watcher = Watcher()
        self.journal = journal.begin(folder / ".stillroom", "apply", "test", {})
        cluster.image(_IMAGE)

    def body(self, name: str, program: str, **said: Any) -> dict[str, Any]:
        """A Job that runs a program."""
        spec = {"backoffLimit": 0, **said.pop("job", {})}
        container = {"name": "migration", "image": _IMAGE, "command": ["python", "-u", "-c", program], **said}
        labels = {**_LABELS, "stillroom.dev/service": name}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"{name}-migration-00000000", "namespace": "default", "labels": labels},
            "spec": {
                **spec,
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"restartPolicy": "Never", "containers": [container]},
                },
            },
        }

    def run(self, name: str, body: Mapping[str, Any]) -> results.Result:
        """Runs one to its end."""
        follower = fleet.Follower(name, self.watcher)
        return self.runner.run(name, "default", body, follower, self.journal)

    def all(self, bodies: Mapping[str, Mapping[str, Any]], jobs: int) -> list[fleet.Outcome[results.Result]]:
        """Runs several, so many at a time."""
        services = [self.fleet.service(name, "test") for name in bodies]

        def one(service: model.Service, follower: fleet.Follower) -> results.Result:
            return self.runner.run(service.name, "default", bodies[service.name], follower, self.journal)

        return fleet.run(services, one, self.watcher, jobs=jobs)

    def printed(self, name: str) -> list[str]:
        """What was shown of a service."""
        return [line for service, line in self.watcher.lines if service == name]

    def stored(self, name: str) -> list[str]:
        """What was stored of it."""
        return (self.journal.folder / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()

    def count(self, verb: str, resource: str) -> int:
        """How many requests of a kind there were."""
        return self.cluster.count(resource, verb)


@pytest.fixture
def jobs(tmp_path: Path, cluster: Cluster) -> Iterator[Jobs]:
    """On a cluster of their own."""
    made = Jobs(tmp_path / "checkout", cluster)
    with made.runner:
        yield made
    made.journal.close()


_COUNTED = "for at in range(200): print('line', at)"
_LINES = [f"line {at}" for at in range(200)]


def _held(folder: Path) -> str:
    """A program that prints, waits until a file is there, and prints again; `Path` of the file: `go` in the folder."""
    return (
        "import pathlib, time\nprint('begun')\n"
        f"while not pathlib.Path({str(folder / 'go')!r}).exists(): time.sleep(0.01)\n"
        "print('went on')"
    )


def test_a_job_is_followed_to_its_end(jobs: Jobs) -> None:
    """Each line once, in order, shown and stored; the runtime's last word is read."""
    said = '{\\"outcome\\": \\"upgraded\\"}'
    program = f"import os\n{_COUNTED}\nopen(os.environ['LOG'], 'w').write(\"{said}\")"
    found = jobs.run("s0", jobs.body("s0", program, env=[{"name": "LOG", "value": "/dev/termination-log"}]))
    assert found.done == {"outcome": "upgraded"}
    assert jobs.printed("s0") == jobs.stored("s0") == _LINES


def test_one_watch_for_all_jobs(jobs: Jobs) -> None:
    """And one for pods, however many there are; none is asked for by itself while it runs."""
    bodies = {f"s{at}": jobs.body(f"s{at}", "print('here')") for at in range(8)}
    outcomes = jobs.all(bodies, 4)
    assert [each.failure for each in outcomes] == [None] * 8
    assert {name: jobs.stored(name) for name in bodies} == {name: ["here"] for name in bodies}
    assert (jobs.count("watch", "jobs"), jobs.count("watch", "pods")) == (1, 1)
    assert jobs.count("get", "jobs") <= 8  # what apply asks before it applies


def test_so_many_run_at_a_time(jobs: Jobs, tmp_path: Path) -> None:
    """The next one is applied when one has ended, and not before."""
    held = {f"s{at}": jobs.body(f"s{at}", _held(tmp_path)) for at in range(5)}
    working = threading.Thread(target=jobs.all, args=(held, 2))
    working.start()
    jobs.cluster.wait(lambda: len(jobs.printed("s0") + jobs.printed("s1")) == 2, "two that run")
    assert len(jobs.cluster.all("Job", "default")) == 2
    (tmp_path / "go").touch()
    working.join()
    assert [jobs.stored(name) for name in held] == [["begun", "went on"]] * 5


@pytest.mark.parametrize("fault", ["cut", "end", "restart", "forget"])
def test_a_watch_that_breaks_is_taken_up_again(jobs: Jobs, tmp_path: Path, fault: str) -> None:
    """Cut in the middle of an event, ended in good order, the server gone and back, its history forgotten (410)."""
    faults = jobs.cluster.faults
    if fault == "cut":
        faults.cut_watch(700, times=4)
    elif fault == "end":
        faults.end_watch(900, times=4)
    ended: list[results.Result] = []
    working = threading.Thread(target=lambda: ended.append(jobs.run("s0", jobs.body("s0", _held(tmp_path)))))
    working.start()
    jobs.watcher.until("begun")
    if fault == "forget":
        faults.forget_history()
        faults.restart()
    elif fault == "restart":
        faults.restart(0.5)
    (tmp_path / "go").touch()
    working.join()
    assert len(ended) == 1
    assert jobs.printed("s0") == jobs.stored("s0") == ["begun", "went on"]


@pytest.mark.parametrize("at", [0, 5, 1003])
def test_a_log_that_is_cut_is_read_on(jobs: Jobs, at: int) -> None:
    """From where it was cut, be it in the middle of a line: each line is there once."""
    jobs.cluster.faults.cut_log(at)
    jobs.run("s0", jobs.body("s0", _COUNTED))
    assert jobs.printed("s0") == jobs.stored("s0") == _LINES


def test_a_job_that_is_deleted_has_failed(jobs: Jobs, tmp_path: Path) -> None:
    """At once, and not when somebody loses patience."""
    delete = ("delete", "job", "s0-migration-00000000", "--cascade=background", "--wait=false")
    assert _ended_by(jobs, tmp_path, lambda: jobs.found.door.run(*delete)) == ["job-deleted"]


def _ended_by(jobs: Jobs, folder: Path, act: Callable[[], object]) -> list[str]:
    """The codes of how watching a Job that holds on ends, once something is done about it."""
    caught: list[str] = []

    def work() -> None:
        try:
            jobs.run("s0", jobs.body("s0", _held(folder)))
        except errors.StillroomError as error:
            caught.append(error.code)

    working = threading.Thread(target=work)
    working.start()
    jobs.watcher.until("begun")
    act()
    working.join()
    return caught


def test_a_deadline_is_told(jobs: Jobs, tmp_path: Path) -> None:
    """With what was printed before it."""
    body = jobs.body("s0", _held(tmp_path), job={"activeDeadlineSeconds": 1})
    with pytest.raises(errors.StillroomError) as caught:
        jobs.run("s0", body)
    assert caught.value.code == "job-deadline"
    assert caught.value.detail in ("", "begun")


def test_retries_of_a_job_are_one_story(jobs: Jobs, tmp_path: Path) -> None:
    """The first pod's exit code is none of the Job's end; both logs are there, in order."""
    program = (
        f"import pathlib, sys\nmark = pathlib.Path({str(tmp_path / 'mark')!r})\nfirst = not mark.exists()\nmark.touch()\n"
        "print('first' if first else 'second')\nsys.exit(21 if first else 0)"
    )
    jobs.run("s0", jobs.body("s0", program, job={"backoffLimit": 1}))
    assert jobs.stored("s0") == ["first", "second"]


def test_a_failed_job_has_its_last_lines(jobs: Jobs) -> None:
    """The last twenty of them, its exit code, and where the rest is."""
    with pytest.raises(results.JobFailed) as caught:
        jobs.run("s0", jobs.body("s0", f"{_COUNTED}\nraise SystemExit(3)"))
    assert caught.value.detail.splitlines() == _LINES[-20:]
    assert caught.value.data["exit_code"] == 3
    assert Path(caught.value.data["log"]).read_text(encoding="utf-8").splitlines() == _LINES


def test_an_interrupt_ends_the_watching_and_not_the_job(jobs: Jobs, tmp_path: Path) -> None:
    """Whoever runs it again takes it up where it is."""
    assert _ended_by(jobs, tmp_path, jobs.runner.interrupt) == ["interrupted"]
    found = clusters.Cluster(jobs.fleet.environments["test"])
    (job,) = found.jobs(jobs.fleet.service("s0", "test"))
    assert not job.ended
    (tmp_path / "go").touch()
    with running.Runner(found.door, found.selector) as again:
        follower = fleet.Follower("s0", jobs.watcher)
        again.run("s0", "default", jobs.body("s0", ""), follower, jobs.journal, found=job)
    assert jobs.stored("s0")[-2:] == ["begun", "went on"]


def test_more_logs_than_are_followed_at_a_time_are_all_stored(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds no place is read when its pod has ended."""
    runner = jobs.runner
    monkeypatch.setattr(runner, "_streams", threading.BoundedSemaphore(1))
    bodies = {f"s{at}": jobs.body(f"s{at}", _COUNTED) for at in range(4)}
    outcomes: Sequence[fleet.Outcome[results.Result]] = jobs.all(bodies, 4)
    assert [each.failure for each in outcomes] == [None] * 4
    assert [jobs.stored(name) for name in bodies] == [_LINES] * 4
