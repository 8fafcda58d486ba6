"""HTTP: each request is written down, meets the faults ordered for it, and is answered."""

from __future__ import annotations

import dataclasses
import json
import threading
import traceback
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.support.cluster import (
    access,
    calls,
    deleting,
    discovery,
    execs,
    faults,
    logs,
    objects,
    pick,
    protobuf,
    scaling,
    schemas,
    statuses,
    watching,
)
from tests.support.cluster.calls import Call
from tests.support.cluster.kubelet import Kubelet
from tests.support.cluster.state import State
from tests.support.cluster.store import Object

__all__ = ["Answering", "Request"]


@dataclasses.dataclass
class Request:
    """A line of the request log.

    Attributes:
        verb: as RBAC names it; "" for discovery and for what was not understood.
        resource: `pods`, `pods/exec`; "" likewise.
        code: of the answer; 101 for an upgrade, 0 while there is none.
    """

    method: str
    path: str
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    code: int = 0


class Answering:
    """The server's side of HTTP."""

    def __init__(self, state: State, kubelet: Kubelet, rights: access.Access, orders: faults.Faults) -> None:
        self._state = state
        self._kubelet = kubelet
        self._access = rights
        self._faults = orders
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    @property
    def requests(self) -> list[Request]:
        """All requests up to now, as they came; safe from any thread."""
        with self._lock:
            return list(self._requests)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers a request, whatever it is."""
        noted = Request(request.method, request.path)
        with self._lock:
            self._requests.append(noted)
        try:
            answer = await self._answered(request, noted)
        except statuses.Refused as refused:
            answer = _json(refused.status, refused.code, refused.headers)
        except ConnectionError:
            raise  # the client has gone
        except Exception:  # noqa: BLE001 - whatever it is, the test has to fail for it
            self._state.problems.append(f"{request.method} {request.path}\n{traceback.format_exc()}")
            answer = _json(statuses.refusal(500).status, 500)
        noted.code = answer.status
        return answer

    async def _answered(self, request: web.Request, noted: Request) -> web.StreamResponse:
        if request.path == "/openapi/v2" and request.method == "GET":
            return web.Response(body=discovery.OPENAPI_V2, headers={"Content-Type": discovery.OPENAPI_V2_TYPE})
        if (
            "application/json" not in (accepted := request.headers.get("Accept", "application/json"))
            and "*/*" not in accepted
        ):
            raise statuses.Refused(
                406, "NotAcceptable", "only the following media types are accepted: application/json"
            )
        if (found := self._discovered(request)) is not None:
            await self._faults.meet("", "")
            return found
        query = calls.Query(list(request.query.items()))
        call = calls.of(request.method, request.path, query, request.headers, await request.read())
        noted.verb, noted.resource, noted.namespace, noted.name = call.verb, call.target, call.namespace, call.name
        await self._faults.meet(call.verb, call.target)
        self._access.check(call)
        if call.subresource == "exec":
            pod = self._state.store.get(call.resource, call.namespace, call.name)
            return await execs.serve(call, request, self._kubelet.of(pod), self._faults)
        if call.subresource == "log":
            return await self._log(request, call)
        if call.verb == "watch":
            return await self._stream(request, watching.watched(self._state, call), "watch", "", "application/json")
        return _json(*self._done(call))

    def _discovered(self, request: web.Request) -> web.Response | None:
        """Discovery and the like; None for everything else."""
        path = request.path.rstrip("/")
        if path in ("/api", "/apis") and request.method == "GET":
            if "g=apidiscovery.k8s.io;v=v2;" in request.headers.get("Accept", "").replace(" ", ""):
                return _json(discovery.aggregated(path == "/api"), kind=discovery.AGGREGATED)
            plain = {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            return _json(plain if path == "/api" else discovery.groups())
        found: Any = None
        parts = path.strip("/").split("/")
        if request.method != "GET":
            return None
        if path in ("/version", "/openapi/v3"):
            found = discovery.version(self._state.server_version) if path == "/version" else discovery.openapi()
        elif path in ("/livez", "/readyz", "/healthz"):
            return web.Response(text="ok")
        elif parts[:2] == ["openapi", "v3"]:
            found = discovery.openapi_of("/".join(parts[2:]))
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.group(parts[1])
        elif (parts[0], len(parts)) in (("api", 2), ("apis", 3)):
            found = discovery.resource_list("" if parts[0] == "api" else parts[1], parts[-1])
        else:
            return None
        if found is None:
            raise statuses.no_such_path()
        return _json(found)

    def _done(self, call: Call) -> tuple[Object, int]:
        """A request without a stream: the answer and its code."""
        if call.resource.plural.startswith("selfsubject"):
            body = protobuf.decoded(call.body) if call.kind == protobuf.MEDIA_TYPE else objects.body_of(call)
            schemas.check(call, body)
            return self._access.reviewed(call, body), 201
        if call.subresource == "scale":
            return scaling.scale(self._state, call), 200
        if call.verb == "get":
            return objects.get(self._state, call), 200
        if call.verb == "list":
            return objects.listed(self._state, call), 200
        if call.verb == "create":
            return objects.create(self._state, call, objects.body_of(call)), 201
        if call.verb == "update":
            return objects.update(self._state, call, objects.body_of(call)), 200
        if call.verb == "patch":
            known = self._state.store.find(call.resource, call.namespace, call.name) is not None
            return objects.patch(self._state, call, call.body), 200 if known else 201
        if call.verb == "delete":
            return deleting.delete(self._state, self._kubelet, call), 200
        return deleting.delete_all(self._state, self._kubelet, call), 200

    async def _log(self, request: web.Request, call: Call) -> web.StreamResponse:
        pod = self._state.store.get(call.resource, call.namespace, call.name)
        runner = self._kubelet.of(pod)
        if runner is None:
            raise statuses.not_found(call.resource, call.name)
        unit = pick.container_of(runner, call.query.one("container"))
        log = unit.previous if call.query.flag("previous") else unit.log
        if log is None and call.query.flag("previous"):
            raise statuses.bad_request(f'previous terminated container "{unit.name}" in pod "{call.name}" not found')
        if log is None:
            reason = unit.state.get("waiting", {}).get("reason", "PodInitializing")
            said = "trying and failing to pull image" if reason in ("ErrImagePull", "ImagePullBackOff") else reason
            raise statuses.bad_request(f'container "{unit.name}" in pod "{call.name}" is waiting to start: {said}')
        return await self._stream(request, logs.read(log, call.query), "log", call.name, "text/plain")

    async def _stream(
        self, request: web.Request, lines: AsyncIterator[bytes], of: str, pod: str, kind: str
    ) -> web.StreamResponse:
        """Sends what comes as it comes."""
        tampered = faults.Tampered(self._faults.interruption(of, pod))
        response = web.StreamResponse(headers={"Content-Type": kind, "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for line in lines:
            left, due = tampered.passed(line)
            if left:
                await response.write(left)
            if due and tampered.interruption is not None:
                if tampered.interruption.what == "cut" and request.transport is not None:
                    request.transport.abort()
                return response
        return response


def _json(
    body: Any, code: int = 200, headers: dict[str, str] | None = None, kind: str = "application/json"
) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode() + b"\n", status=code, headers={"Content-Type": kind, **(headers or {})}
    )
