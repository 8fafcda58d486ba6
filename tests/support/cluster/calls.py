"""A request of the API, taken apart: which verb on which resource. Unknown paths, methods and parameters are refused."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from tests.support.cluster import resources, statuses
from tests.support.cluster.resources import Resource

__all__ = ["Call", "Query", "of"]

_PATH = re.compile(
    r"^/(?:api/(?P<core>[^/]+)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)
_WRITING = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_LISTING = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "watch",
    "timeout",
)
_DELETING = (*_WRITING, "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "get": ("pretty", "resourceVersion"),
    "list": _LISTING,
    "watch": _LISTING,
    "create": _WRITING,
    "update": _WRITING,
    "patch": (*_WRITING, "force"),
    "delete": _DELETING,
    "deletecollection": (*_DELETING, *_LISTING),
    "get log": (
        "container",
        "follow",
        "insecureSkipTLSVerifyBackend",
        "limitBytes",
        "pretty",
        "previous",
        "sinceSeconds",
        "sinceTime",
        "stream",
        "tailLines",
        "timestamps",
    ),
    "create exec": ("command", "container", "stderr", "stdin", "stdout", "tty"),
}
_PARAMETERS["get exec"] = _PARAMETERS["create exec"]


class Query:
    """The parameters of a request."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = pairs

    def all(self, name: str) -> list[str]:
        """Each value of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def one(self, name: str) -> str:
        """Its value, or ""."""
        return next(iter(self.all(name)), "")

    def flag(self, name: str) -> bool:
        """As Go parses booleans. Raises `Refused`."""
        text = self.one(name)
        if text not in ("", "true", "false", "1", "0"):
            raise statuses.bad_request(f'strconv.ParseBool: parsing "{text}": invalid syntax')
        return text in ("true", "1")

    def number(self, name: str) -> int | None:
        """Or None where it is not given. Raises `Refused`."""
        text = self.one(name)
        if text and not re.fullmatch(r"-?\d{1,18}", text):
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text) if text else None


@dataclasses.dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        verb: as RBAC names it: get, list, watch, create, update, patch, delete, deletecollection.
        namespace: "" for all namespaces, and for resources that have none.
        name: "" for collections.
        subresource: "" for the object itself.
        kind: media type of the body.
        manager: who changes, as `managedFields` names it.
    """

    method: str
    path: str
    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: Query
    kind: str
    body: bytes
    manager: str

    @property
    def target(self) -> str:
        """`pods`, or `pods/exec`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def dry(self) -> bool:
        """Whether nothing is to be stored. Raises `Refused` for any value but `All`."""
        asked = self.query.all("dryRun")
        if asked not in ([], ["All"]):
            raise statuses.bad_request(f"Invalid value for dryRun: {asked}")
        return bool(asked)


def of(method: str, path: str, query: Query, headers: Mapping[str, str], body: bytes) -> Call:
    """Takes a request apart. Raises `Refused`."""
    match = _PATH.match(path)
    if match is None:
        raise statuses.no_such_path()
    group, version = match["group"] or "", match["core"] or match["version"]
    found = resources.find(group, version, match["plural"])
    namespace, name, sub = match["namespace"] or "", match["name"] or "", match["sub"] or ""
    if found is None or (sub and found.sub(sub) is None) or bool(namespace) > found.namespaced:
        raise statuses.no_such_path()
    if found.namespaced and not namespace and name:
        raise statuses.no_such_path()
    verb = _verb(method, bool(name), query)
    allowed = found.verbs if not sub else (found.sub(sub) or ("", ()))[1]
    if verb not in allowed or (verb == "create" and found.namespaced and not namespace):
        raise statuses.not_allowed()
    _refuse_unknown(query, f"{verb} {sub}" if sub in ("log", "exec") else verb)
    agent = headers.get("User-Agent", "unknown").split("/")[0]
    return Call(
        method,
        path,
        verb,
        found,
        namespace,
        name,
        sub,
        query,
        headers.get("Content-Type", "").split(";")[0].strip(),
        body,
        query.one("fieldManager") or agent,
    )


def _verb(method: str, named: bool, query: Query) -> str:
    if method in ("GET", "HEAD"):
        if not named:
            return "watch" if query.flag("watch") else "list"
        return "get"
    verbs = {
        ("POST", False): "create",
        ("POST", True): "create",
        ("PUT", True): "update",
        ("PATCH", True): "patch",
        ("DELETE", True): "delete",
        ("DELETE", False): "deletecollection",
    }
    if (method, named) not in verbs:
        raise statuses.not_allowed()
    return verbs[method, named]


def _refuse_unknown(query: Query, verb: str) -> None:
    known = _PARAMETERS[verb]
    unknown = sorted({name for name, _ in query.pairs if name not in known})
    if unknown:
        raise statuses.bad_request(f"this server does not know the parameters {unknown} of {verb}")
