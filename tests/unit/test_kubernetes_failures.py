"""What kubectl says, and what is told of it."""

from __future__ import annotations

import pytest

from stillroom.targets import base, carrier
from stillroom.targets.kubernetes import endings, failures, pods

# As kubectl 1.32 writes them; the first two with the log that it writes before.
_SAID = {
    "cluster-unreachable": [
        'E1122 20:41:01.123456   123 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group list"\n'
        "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
        "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout",
        "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "Unable to connect to the server: EOF",
    ],
    "cluster-busy": [
        "Error from server (TooManyRequests): the server has received too many requests and has asked us to try again later",
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
    ],
    "context-missing": ['error: context "kind" does not exist'],
    "kubeconfig-wrong": [
        "error: stat /nowhere: no such file or directory",
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
    ],
    "cluster-login": [
        "error: You must be logged in to the server (Unauthorized)",
        "Unable to connect to the server: getting credentials: exec: executable aws not found",
    ],
    "forbidden": [
        'Error from server (Forbidden): pods is forbidden: User "dev" cannot list resource "pods" in API group "" in the '
        'namespace "bakery"'
    ],
    "not-found": ['Error from server (NotFound): pods "shop-1" not found'],
    "already-exists": [
        'Error from server (AlreadyExists): error when creating "STDIN": jobs.batch "shop" already exists'
    ],
    "conflict": ['error: Apply failed with 1 conflict: conflict with "helm": .spec.replicas'],
    "invalid": ['The Job "shop" is invalid: spec.template: Invalid value: field is immutable'],
    "kubectl-failed": ["error: unknown flag: --nonsense", ""],
}


@pytest.mark.parametrize(("code", "said"), [(code, said) for code, all_of in _SAID.items() for said in all_of])
def test_what_it_says_has_a_code(code: str, said: str) -> None:
    """And a mend; the message has its words without its log."""
    failed = failures.of(["get", "pods", "-o", "json"], said, 1)
    assert failed.code == code
    assert failed.mend
    assert failed.message.startswith("kubectl get pods: ")
    assert "memcache" not in failed.message


def test_what_may_pass_is_known() -> None:
    """A server that is away or busy is asked again; a wrong certificate will stay wrong."""
    passing = [
        failures.of(["get"], said, 1).passing
        for said in (*_SAID["cluster-unreachable"], *_SAID["cluster-busy"], *_SAID["forbidden"])
    ]
    assert passing == [True, True, False, True, True, True, False]


def test_passwords_are_not_repeated() -> None:
    """Whoever put a URL into an object's name or message."""
    failed = failures.of(["create"], "error: postgresql://shop:s3cret@db/shop is no name", 1)
    assert "s3cret" not in failed.message + failed.detail


_CHOSEN = pods.Chosen("shop-1-a", "app", "bakery", "registry.test/shop:1", "", 1)


def _ended(said: str, status: int | None, *, begun: bool = True, noticed: str = "") -> base.TargetFailed:
    return endings.explain("shop", _CHOSEN, "python3", begun=begun, noticed=noticed, status=status, said=said)


@pytest.mark.parametrize(
    ("said", "status", "noticed", "why"),
    [
        ("", 0, "", "the connection ended"),
        ("", 0, "a frame arrived with other bytes than were sent", "a frame arrived with other bytes"),
        ("error: unexpected EOF", 1, "", "unexpected EOF"),
        ("command terminated with exit code 137", 137, "", "it was killed there"),
        ('Error from server (NotFound): pods "shop-1-a" not found', 1, "", "the pod is gone"),
        (f"{carrier.DAMAGED}\ncommand terminated with exit code 1", 1, "", "arrived damaged"),
    ],
    ids=["exit status 0", "damaged", "cut", "killed", "pod gone", "damaged on the way there"],
)
def test_a_lost_connection_is_one(said: str, status: int, noticed: str, why: str) -> None:
    """Whatever kubectl exits with; the same may go well the next time."""
    failed = _ended(said, status, noticed=noticed)
    assert failed.code == base.LOST
    assert why in failed.message
    assert "pod shop-1-a, container app" in failed.message


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            'error: Internal error occurred: exec: "python3": executable file not found in $PATH',
            "interpreter-missing",
        ),
        (
            'OCI runtime exec failed: exec: "python3": executable file not found in $PATH\n'
            "command terminated with exit code 126",
            "interpreter-missing",
        ),
        (
            "Traceback (most recent call last):\n  File \"<string>\", line 1\nModuleNotFoundError: No module named 'zlib'\n"
            "command terminated with exit code 1",
            "interpreter-broken",
        ),
        (
            'Error from server (Forbidden): pods "shop-1-a" is forbidden: cannot create resource "pods/exec"',
            "forbidden",
        ),
    ],
    ids=["no such program", "no such program, by the runtime", "a broken one", "not allowed"],
)
def test_what_will_not_go_well_the_next_time(said: str, code: str) -> None:
    """Is told as what it is, and not tried again."""
    assert _ended(said, 1, begun=False).code == code
