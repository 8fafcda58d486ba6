"""`doctor`: what the parts of a service say of its migrations, put side by side, and what to do next. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom.rollout import bodies, judging

__all__ = ["Diagnosis", "Facts", "Row", "Trouble", "diagnose"]


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why something could not be looked at: code, message, mend."""

    code: str
    message: str
    mend: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was found. Each may be a `Trouble` instead.

    Attributes:
        service: its name.
        workload: the Deployment (or its like), or None: there is none.
        pods: of it.
        wanted: name of the migration Job that services.yaml makes now.
        job: the newest migration Job, or None.
        job_pods: its pods.
        lines: the last lines of its log, and where they are from.
        verified: what the database says (the verdict of `verify`), ready or not.
        run: the newest run of the ledger, or None.
    """

    service: str
    workload: Mapping[str, Any] | Trouble | None
    pods: Sequence[Mapping[str, Any]] | Trouble
    wanted: str | Trouble
    job: judging.Job | Trouble | None
    job_pods: Sequence[judging.Pod]
    lines: Sequence[str]
    verified: Mapping[str, Any] | Trouble
    run: Mapping[str, Any] | Trouble | None


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the screen: what of, how it is (`ok`, `warning`, `error`), in words, and what to do."""

    what: str
    level: str
    text: str
    mend: str = ""
    code: str = ""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A service on one screen.

    Attributes:
        service: its name.
        rows: in the order in which they are shown.
        last_error: the newest that went wrong, in its own words; empty: nothing did.
        next_step: what to do; empty: nothing is to be done.
        lines: the last of the Job's log, where it failed.
    """

    service: str
    rows: tuple[Row, ...]
    last_error: str
    next_step: str
    lines: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(each.level != "error" for each in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {**dataclasses.asdict(self), "ok": self.ok}


def diagnose(facts: Facts) -> Diagnosis:
    """What is wrong first, and what to do about that."""
    verdict = None if not isinstance(facts.job, judging.Job) else judging.judge(facts.job, facts.job_pods)
    rows = (_database(facts), _job(facts, verdict), _workload(facts), _pods(facts), _ledger(facts))
    failed = verdict is not None and verdict.state == judging.FAILED
    return Diagnosis(
        facts.service,
        rows,
        _last_error(facts, verdict),
        _next_step(facts, rows, verdict),
        tuple(facts.lines) if failed else (),
    )


def _troubled(what: str, trouble: Trouble, level: str = "error") -> Row:
    return Row(what, level, trouble.message, trouble.mend, trouble.code)


def _database(facts: Facts) -> Row:
    found = facts.verified
    if isinstance(found, Trouble):
        return _troubled("database", found)
    state = str(found.get("state") or "unknown")
    at = ", ".join(map(str, found.get("current") or ())) or "no revision"
    code = ", ".join(map(str, found.get("heads") or ())) or "none"
    if found.get("ready"):
        return Row("database", "ok", f"{state}: at {at}, the pod's code has {code}")
    return Row("database", "error", str(found.get("message") or state), str(found.get("mend") or ""), state)


def _job(facts: Facts, verdict: judging.Verdict | None) -> Row:
    if isinstance(facts.job, Trouble):
        return _troubled("job", facts.job)
    if isinstance(facts.wanted, Trouble):
        return _troubled("job", facts.wanted)
    if facts.job is None or verdict is None:
        return Row("job", "warning", f"there is none; services.yaml makes {facts.wanted}", _apply(facts))
    named = f"{facts.job.name} ({facts.job.image})"
    if verdict.state == judging.FAILED:
        return Row("job", "error", f"{named} failed: {verdict.message}", verdict.mend, verdict.code)
    if verdict.state == judging.RUNNING:
        level = "warning" if verdict.trouble else "ok"
        text = f"{named} runs: {verdict.trouble or verdict.step}"
        return Row("job", level, text, f"invoke logs --service {facts.service} --follow")
    if facts.job.name not in (facts.wanted, bodies.applied_name(facts.wanted)):
        return Row("job", "warning", f"{named} is complete; services.yaml makes {facts.wanted} now", _apply(facts))
    return Row("job", "ok", f"{named} is complete")


def _workload(facts: Facts) -> Row:
    found = facts.workload
    if isinstance(found, Trouble):
        return _troubled("workload", found)
    if found is None:
        return Row("workload", "warning", "there is no Deployment of its name", "deploy the service")
    status, spec = found.get("status") or {}, found.get("spec") or {}
    ready, wanted = int(status.get("readyReplicas") or 0), spec.get("replicas")
    named = f"{found.get('kind', 'Deployment')} {found['metadata']['name']}"
    images = ", ".join(
        str(each.get("image", "")) for each in ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    )
    text = f"{named}: {ready} of {wanted if wanted is not None else '?'} ready ({images})"
    if wanted == 0:
        mend = f"kubectl scale {named.replace(' ', '/').lower()} --replicas=1"
        return Row("workload", "warning", f"{named} is scaled to zero ({images})", mend)
    return Row("workload", "ok" if wanted is not None and ready >= wanted else "error", text)


def _pods(facts: Facts) -> Row:
    if isinstance(facts.pods, Trouble):
        return _troubled("pods", facts.pods)
    told = [(each, *_pod(each)) for each in facts.pods]
    bad = [(value, text) for value, level, text in told if level == "error"]
    if bad:
        value, text = bad[0]
        name = value["metadata"]["name"]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        return Row("pods", "error", f"{name}: {text}{more}", f"kubectl logs {name} --all-containers --prefix")
    if not told:
        return Row("pods", "warning", "there are none")
    return Row("pods", "ok", ", ".join(f"{value['metadata']['name']} {text}" for value, _, text in told[:5]))


def _pod(value: Mapping[str, Any]) -> tuple[str, str]:
    """Level and words for one pod of the workload."""
    pod = judging.Pod.from_object(value)
    if pod.deleting:
        return "ok", "is going"
    for each in pod.containers:
        ended_badly = each.state == "terminated" and bool(each.exit_code)
        waits = each.state == "waiting" and each.reason not in ("", "PodInitializing", "ContainerCreating")
        if waits or ended_badly:
            code = f", exit code {each.exit_code}" if each.exit_code is not None else ""
            said = f": {each.message.strip()}" if each.message.strip() else ""
            return "error", f"container {each.name} {each.reason or each.state}{code}{said}"
    if pod.unschedulable:
        return "error", pod.unschedulable
    conditions = (value.get("status") or {}).get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    running = [each.name for each in pod.containers if each.state == "running"]
    return "ok", "ready" if ready else f"is not ready yet ({', '.join(running) or pod.phase})"


def _ledger(facts: Facts) -> Row:
    if isinstance(facts.run, Trouble):
        return _troubled("ledger", facts.run, "warning")
    if facts.run is None:
        return Row("ledger", "warning", "no run is noted")
    run = facts.run
    when = str(run.get("started") or "")[:19].replace("T", " ")
    where = f"{_listed(run.get('from_revisions'))} -> {_listed(run.get('to_revisions'))}"
    by = " ".join(filter(None, (run.get("actor"), run.get("image"))))
    text = f"{when} {run.get('outcome')}: {where}" + (f", by {by}" if by else "")
    if run.get("error"):
        return Row("ledger", "error", f"{text}: {run['error']}")
    return Row("ledger", "ok", text)


def _listed(revisions: Any) -> str:
    return ", ".join(map(str, revisions or ())) or "base"


def _last_error(facts: Facts, verdict: judging.Verdict | None) -> str:
    """In the words of whoever saw it first: the runtime in the Job, then its ledger, then Kubernetes."""
    if verdict is not None and verdict.state == judging.FAILED:
        said = verdict.container.message.strip() if verdict.container is not None else ""
        return said or verdict.message
    if isinstance(facts.run, Mapping) and facts.run.get("error"):
        return str(facts.run["error"])
    return ""


def _next_step(facts: Facts, rows: Sequence[Row], verdict: judging.Verdict | None) -> str:
    """What to do about the first thing that is wrong: what reaches the cluster, the Job, the database, the pods."""
    by_name = {each.what: each for each in rows}
    database, job = by_name["database"], by_name["job"]
    for each in rows:
        if each.code in ("cluster-unreachable", "cluster-login", "context-missing", "kubeconfig-wrong", "forbidden"):
            return each.mend
    if verdict is not None and verdict.state == judging.RUNNING:
        return job.mend
    if job.level == "error":
        return f"{_last_mend(verdict) or job.mend}; then {_apply(facts)}"
    ready = isinstance(facts.verified, Mapping) and bool(facts.verified.get("ready"))
    if isinstance(facts.verified, Mapping) and not ready:
        return _apply(facts) if database.code in ("behind", "empty") else database.mend or _apply(facts)
    if facts.job is None or (job.level == "warning" and not ready):
        return _apply(facts)
    for each in rows:
        if each.level == "error" and each.mend:
            return each.mend
    return next((each.mend for each in rows if each.level == "warning" and each.mend), "")


def _last_mend(verdict: judging.Verdict | None) -> str:
    from stillroom.rollout import results

    container = verdict.container if verdict is not None else None
    return results.said(container.message).mend if container is not None else ""


def _apply(facts: Facts) -> str:
    return f"invoke apply --via job --service {facts.service}"
