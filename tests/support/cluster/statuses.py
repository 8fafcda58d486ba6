"""Refusals as the API server words them: the `Status` object, its reason, its code.

Reasons, codes and wording follow the API conventions and the `k8s.io/apimachinery` errors, since clients match on them.
"""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.cluster.resources import Resource

__all__ = [
    "Refused",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "forbidden",
    "invalid",
    "no_such_path",
    "not_allowed",
    "not_found",
    "refusal",
    "unsupported_media",
]


class Refused(Exception):
    """A request that is answered by a `Status` of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> dict[str, Any]:
        """The `Status` object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            body["details"] = self.details
        return body


def _about(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "kind": resource.plural} | ({"group": resource.group} if resource.group else {})


def not_found(resource: Resource, name: str) -> Refused:
    """No such object."""
    return Refused(404, "NotFound", f'{resource.qualified} "{name}" not found', details=_about(resource, name))


def no_such_path() -> Refused:
    """No such path, resource or subresource."""
    return Refused(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> Refused:
    """An object of that name is there."""
    return Refused(
        409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', details=_about(resource, name)
    )


def conflict(resource: Resource, name: str, why: str, causes: Sequence[Mapping[str, Any]] = ()) -> Refused:
    """The object has changed, or another manager owns the field (then with causes and `why` alone as message)."""
    details = _about(resource, name) | ({"causes": list(causes)} if causes else {})
    message = why if causes else f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refused(409, "Conflict", message, details=details)


def invalid(resource: Resource, name: str, causes: Sequence[tuple[str, str]]) -> Refused:
    """The object is understood and not acceptable; causes are (field, message)."""
    told = [f"{field}: {message}" for field, message in causes]
    said = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    details = _about(resource, name) | {
        "kind": resource.kind,
        "causes": [{"reason": "FieldValueInvalid", "message": text, "field": field} for field, text in causes],
    }
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return Refused(422, "Invalid", f'{qualified} "{name}" is invalid: {said}', details=details)


def bad_request(message: str) -> Refused:
    """The request is not understood."""
    return Refused(400, "BadRequest", message)


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    """The user may not."""
    quoted = f' "{name}"' if name else ""
    return Refused(
        403, "Forbidden", f"{resource.qualified}{quoted} is forbidden: {why}", details=_about(resource, name)
    )


def not_allowed() -> Refused:
    """The path has no such method."""
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media(kind: str, accepted: Sequence[str]) -> Refused:
    """The body's type is none of those accepted."""
    return Refused(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
        f" (was {kind})",
    )


def expired() -> Refused:
    """The version asked for is no longer kept."""
    return Refused(410, "Expired", "too old resource version")


def refusal(code: int, retry_after: int | None = None) -> Refused:
    """What an overloaded or ending server answers."""
    reason = {429: "TooManyRequests", 503: "ServiceUnavailable", 500: "InternalError"}.get(code, "")
    message = {
        429: "the server has received too many requests and has asked us to try again later",
        503: "the server is currently unable to handle the request",
    }.get(code, http.HTTPStatus(code).phrase)
    details = {"retryAfterSeconds": retry_after} if retry_after is not None else {}
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return Refused(code, reason, message, details=details, headers=headers)
