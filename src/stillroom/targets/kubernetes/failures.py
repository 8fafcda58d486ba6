"""Why kubectl failed, as far as what it wrote tells: a code, a sentence, and what to do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from stillroom.runtime import secrecy
from stillroom.targets import base

__all__ = ["KubectlFailed", "did_not_answer", "missing", "of"]

_LONGEST = 500
# Lines of kubectl's own log (klog) and warnings of the server stand before what matters.
_LOG = re.compile(r"^(?:[IWEF]\d{4} |Warning: |I\d{4})")


class KubectlFailed(base.TargetFailed):
    """kubectl could not do what it was asked for.

    Attributes:
        passing: whether the same may work in a moment: the server was not there, or had too much to do.
    """

    def __init__(self, code: str, message: str, mend: str, *, detail: str = "", passing: bool = False) -> None:
        super().__init__(code, message, mend, detail=detail)
        self.passing = passing


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What a failure looks like, and what is said of it."""

    code: str
    pattern: re.Pattern[str]
    mend: str
    passing: bool = False


def _kind(pattern: str, mend: str, *, code: str, passing: bool = False) -> _Kind:
    return _Kind(code, re.compile(pattern, re.IGNORECASE), mend, passing)


_REACH = "see whether the cluster is up and this machine may reach it: kubectl cluster-info"
_KINDS = (
    _kind(
        r"context \"?[^\"]*\"? does not exist|no context exists with the name|context was not found",
        "kubectl config get-contexts lists those there are: correct context: in services.yaml",
        code="context-missing",
    ),
    _kind(
        r"no configuration has been provided|error loading config|invalid configuration|stat .*: no such file"
        r"|localhost:8080 was refused|missing or incomplete configuration",
        "name a kubeconfig that is there, kubeconfig: in services.yaml or $KUBECONFIG",
        code="kubeconfig-wrong",
    ),
    _kind(
        r"\(Unauthorized\)|must be logged in|getting credentials|exec plugin|token.* expired|executable .* not found",
        "log in to the cluster again, as your provider says; kubectl get namespaces has to work",
        code="cluster-login",
    ),
    _kind(
        r"\(Forbidden\)|is forbidden:", "ask for that right in the namespace (a Role and RoleBinding)", code="forbidden"
    ),
    _kind(
        r"\((?:TooManyRequests|ServiceUnavailable|ServerTimeout|Timeout|InternalError)\)"
        r"|currently unable to handle the request|too many requests|etcdserver: |timed out waiting for the caches",
        "the API server has too much to do, or is starting: run it again in a minute",
        passing=True,
        code="cluster-busy",
    ),
    _kind(
        r"\(NotFound\)|not found", "see whether name, namespace and context are those that you mean", code="not-found"
    ),
    _kind(r"\(AlreadyExists\)", "another one has made it meanwhile: run it again", code="already-exists"),
    _kind(
        r"\(Conflict\)|apply failed with \d+ conflict|object has been modified",
        "another tool owns these fields, or has changed the object meanwhile: look at it, then run it again",
        code="conflict",
    ),
    _kind(
        r"\(Invalid\)|\(BadRequest\)| is invalid:|error validating|strict decoding error|unable to decode",
        "the cluster takes no such object: it may be older than it, or an admission rule of the cluster refuses it",
        code="invalid",
    ),
    _kind(r"x509: |certificate signed by|no such host", _REACH, code="cluster-unreachable"),
    _kind(
        r"unable to connect to the server|connection to the server .* was refused|connection refused"
        r"|connection reset|i/o timeout|handshake timeout|client connection lost|unexpected EOF|: EOF$|\bEOF\b"
        r"|network is unreachable|no route to host|deadline exceeded|context deadline|broken pipe|dial tcp",
        _REACH,
        passing=True,
        code="cluster-unreachable",
    ),
)


def of(asked: Sequence[str], said: str, status: int | None) -> KubectlFailed:
    """The failure to tell.

    Args:
        asked: kubectl's arguments without those that every call has; only the first words of them are shown.
        said: what it wrote to standard error.
        status: its exit status.
    """
    told = _told(said)
    words = _words(asked)
    for kind in _KINDS:
        if kind.pattern.search(told):
            return KubectlFailed(kind.code, f"{words}: {told}", kind.mend, detail=_scrub(said), passing=kind.passing)
    return KubectlFailed(
        "kubectl-failed",
        f"{words}: {told or f'exit status {status}, and it said nothing'}",
        "try the same by hand; --debug shows all that kubectl said",
        detail=_scrub(said),
    )


def missing(program: str, why: str) -> KubectlFailed:
    """kubectl itself can't be started."""
    return KubectlFailed(
        "kubectl-missing",
        f"{program} could not be started: {why}",
        "install kubectl 1.30 or newer, and put it on PATH: https://kubernetes.io/docs/tasks/tools/",
    )


def did_not_answer(asked: Sequence[str], seconds: float, said: str) -> KubectlFailed:
    """kubectl did not end within its time."""
    told = _told(said)
    return KubectlFailed(
        "cluster-unreachable",
        f"{_words(asked)}: the cluster did not answer within {seconds:g} s" + (f" ({told})" if told else ""),
        _REACH,
        detail=_scrub(said),
        passing=True,
    )


def _words(asked: Sequence[str]) -> str:
    """`kubectl get pods`: what was asked, without values of options."""
    plain = []
    for each in asked[:3]:
        if each.startswith("-"):
            break
        plain.append(each)
    return " ".join(["kubectl", *plain])


def _told(said: str) -> str:
    """What it said in one line: without its log, unless there is nothing else."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    plain = [line for line in lines if not _LOG.match(line)] or lines[-1:]
    return _scrub("; ".join(dict.fromkeys(plain)))[:_LONGEST]


def _scrub(text: str) -> str:
    scrubbed: str = secrecy.scrubbed(text)
    return scrubbed
