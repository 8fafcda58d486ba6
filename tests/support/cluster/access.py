"""Who may do what: one rule set that both the reviews and the requests themselves are held to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.store import Object

__all__ = ["USER", "Access"]

USER = "tester"
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")


class Access:
    """All is allowed but what tests deny."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._denied: set[tuple[str, str, str]] = set()

    def deny(self, verb: str, resource: str, namespace: str = "") -> None:
        """Denies a verb on a resource (`pods/exec`, or `*`), in one namespace or in all."""
        with self._lock:
            self._denied.add((verb, resource, namespace))

    def allow_all(self) -> None:
        """Takes back all denials."""
        with self._lock:
            self._denied.clear()

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether the user may."""
        with self._lock:
            return not any(
                denied in (verb, "*") and what in (resource, "*") and where in ("", namespace)
                for denied, what, where in self._denied
            )

    def check(self, call: Call) -> None:
        """Raises `Refused` (403)."""
        if call.resource.plural in _REVIEWS or self.may(call.verb, call.target, call.namespace):
            return
        group = f' in API group "{call.resource.group}"'
        where = f' in the namespace "{call.namespace}"' if call.namespace else " at the cluster scope"
        why = f'User "{USER}" cannot {call.verb} resource "{call.target}"{group}{where}'
        raise statuses.forbidden(call.resource, call.name, why)

    def reviewed(self, call: Call, body: Object) -> Object:
        """The answer to a review."""
        if call.resource.kind == "SelfSubjectRulesReview":
            return body | {"status": self._rules(body["spec"].get("namespace", ""))}
        asked: Mapping[str, Any] = body["spec"].get("resourceAttributes") or {}
        if not asked and "nonResourceAttributes" not in body["spec"]:
            raise statuses.invalid(
                call.resource, "", [("spec", "Required value: exactly one of the attributes must be given")]
            )
        target = asked.get("resource", "") + (f"/{asked['subresource']}" if asked.get("subresource") else "")
        allowed = not asked or self.may(asked.get("verb", ""), target, asked.get("namespace", ""))
        return body | {"status": {"allowed": allowed}}

    def _rules(self, namespace: str) -> dict[str, Any]:
        """Each verb that is left; a denial of one resource takes the wildcard away from all."""
        with self._lock:
            denied = [each for each in self._denied if each[2] in ("", namespace)]
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        return {"resourceRules": [] if denied else rules, "nonResourceRules": [], "incomplete": bool(denied)}
