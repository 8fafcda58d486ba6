"""The reviews as kubectl sends them: in Kubernetes' protobuf, which its typed clients of 1.32 use for bodies.

Only strings and messages occur in them. Field numbers are those of `k8s.io/api/authorization/v1/generated.proto` and
`k8s.io/apimachinery/pkg/runtime/generated.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.cluster import statuses

__all__ = ["MEDIA_TYPE", "decoded"]

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_LENGTH_DELIMITED = 2

_ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
_Fields = Mapping[int, Any]
_SPECS: Mapping[str, _Fields] = {
    "SelfSubjectAccessReview": {
        1: ("resourceAttributes", _ATTRIBUTES),
        2: ("nonResourceAttributes", {1: "path", 2: "verb"}),
    },
    "SelfSubjectRulesReview": {1: "namespace"},
}


def decoded(body: bytes) -> dict[str, Any]:
    """The review. Raises `Refused` for anything else."""
    try:
        if not body.startswith(_MAGIC):
            raise ValueError("no Kubernetes protobuf")
        envelope = dict(_fields(body[len(_MAGIC) :]))
        meta = _message(envelope[1], {1: "apiVersion", 2: "kind"})
        return meta | {"metadata": {}} | _message(envelope[2], {2: ("spec", _SPECS[meta["kind"]])})
    except (ValueError, KeyError, IndexError) as error:
        raise statuses.bad_request(f"this server reads no such protobuf: {error!r}") from error


def _message(data: bytes, names: _Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        known = names.get(number)
        if isinstance(known, tuple):
            found[known[0]] = _message(value, known[1])
        elif known is not None and value:
            found[known] = value.decode()
    return found


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 != _LENGTH_DELIMITED:
            raise ValueError(f"wire type {tag & 7}")
        length, at = _varint(data, at)
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return number, at
