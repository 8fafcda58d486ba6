"""Watches: what changes, from a version on, one JSON line each."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.support.cluster import objects, statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.selectors import Matches
from tests.support.cluster.state import State
from tests.support.cluster.store import Event

__all__ = ["watched"]

_LONGEST_SECONDS = 3600
_BOOKMARK_SECONDS = 1.0


def watched(state: State, call: Call) -> AsyncIterator[bytes]:
    """The lines of a watch, until its timeout; versions that are no longer known end it at once, by an ERROR."""
    matches = objects.selected(call)
    at, first = _begin(state, call, matches)
    return _lines(state, call, matches, at, first)


async def _lines(state: State, call: Call, matches: Matches, at: int, first: list[bytes]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + min(call.query.number("timeoutSeconds") or _LONGEST_SECONDS, _LONGEST_SECONDS)
    bookmarks, told = call.query.flag("allowWatchBookmarks"), at
    for line in first:
        yield line
    while True:
        try:
            events = state.store.since(call.resource, at)
        except statuses.Refused as error:
            yield _line("ERROR", error.status)
            return
        at = max(at, state.store.version)
        for event in events:
            if (line := _told(event, call, matches)) is not None:
                told = event.version
                yield line
        left = end - loop.time()
        if bookmarks and (at > told or left <= 0):
            told = at
            yield _bookmark(call, at)
        if left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_change(state, call, at), left)


def _begin(state: State, call: Call, matches: Matches) -> tuple[int, list[bytes]]:
    """The version to go on from, and what there is already for who names none. Raises `Refused`."""
    version = call.query.one("resourceVersion")
    if version in ("", "0"):
        there = state.store.all(call.resource, call.namespace)
        return state.store.version, [_line("ADDED", each) for each in there if matches(each)]
    if not version.isdigit():
        raise statuses.bad_request(f"Invalid value: {version!r}: resourceVersion")
    return int(version), []


async def _change(state: State, call: Call, at: int) -> None:
    """Waits for a change of that resource; looks up after a while, for a bookmark."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + _BOOKMARK_SECONDS
    while not state.store.since(call.resource, at):
        left = patience - loop.time()
        if left <= 0 and state.store.version > at and call.query.flag("allowWatchBookmarks"):
            return
        try:
            await asyncio.wait_for(state.store.changed(), left if left > 0 else None)
        except TimeoutError:
            continue


def _told(event: Event, call: Call, matches: Matches) -> bytes | None:
    """What a watch with these selectors is told: an object that no longer matches is deleted for it."""
    if call.namespace and event.object["metadata"].get("namespace") != call.namespace:
        return None
    was = event.before is not None and matches(event.before)
    if event.type == "DELETED":
        return _line("DELETED", event.object) if was else None
    if matches(event.object):
        return _line("MODIFIED" if was else "ADDED", event.object)
    return _line("DELETED", event.object) if was else None


def _bookmark(call: Call, version: int) -> bytes:
    kind = {"kind": call.resource.kind, "apiVersion": call.resource.group_version}
    return _line("BOOKMARK", kind | {"metadata": {"resourceVersion": str(version), "creationTimestamp": None}})


def _line(kind: str, body: Any) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"
