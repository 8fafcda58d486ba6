"""`kubectl exec` over a WebSocket, as `v5.channel.k8s.io` has it (KEP-4006): channels, close of stdin, exit status.

A message's first byte is its channel: 0 stdin, 1 stdout, 2 stderr, 3 the `Status` at the end, 4 the terminal's size,
255 "this channel is closed" (its second byte says which). As on a node, a process whose client has gone runs on, with
its standard input at an end; it ends with its container at the latest. SPDY is not spoken: who asks for it is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.cluster import making, statuses, units
from tests.support.cluster.calls import Call
from tests.support.cluster.faults import Faults, Tampered
from tests.support.cluster.images import NoProgram
from tests.support.cluster.kubelet import Runner
from tests.support.cluster.pick import container_of
from tests.support.cluster.units import Unit

__all__ = ["PROTOCOL", "serve"]

PROTOCOL = "v5.channel.k8s.io"

_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255
_CHUNK = 32 * 1024
_CLOSING_SECONDS = 10.0
_SUCCESS = {"metadata": {}, "status": "Success"}


async def serve(call: Call, request: web.Request, runner: Runner | None, faults: Faults) -> web.StreamResponse:
    """Answers an exec. Raises `Refused` before the upgrade."""
    unit = _unit(call, runner)
    _refuse_other_protocols(call, request)
    socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0, compress=False, timeout=_CLOSING_SECONDS)
    await socket.prepare(request)
    assert runner is not None
    both = [Tampered(faults.interruption(each, runner.name)) for each in ("exec", "exec input")]
    session = _Session(call, request, socket, unit, runner, both)
    await session.run()
    return socket


def _unit(call: Call, runner: Runner | None) -> Unit:
    words, streams = call.query.all("command"), [call.query.flag(each) for each in ("stdin", "stdout", "stderr")]
    if not words or not any(streams):
        raise statuses.bad_request("you must specify at least one command, and 1 of stdin, stdout, stderr")
    if call.query.flag("tty"):
        raise statuses.bad_request("this cluster has no terminals: leave --tty out")
    if runner is None:
        raise statuses.not_found(call.resource, call.name)
    unit = container_of(runner, call.query.one("container"))
    if not unit.running or unit.made is None:
        raise statuses.Refused(
            500, "InternalError", f'unable to upgrade connection: container not found ("{unit.name}")'
        )
    return unit


def _refuse_other_protocols(call: Call, request: web.Request) -> None:
    wanted = request.headers.get("Upgrade", "").lower()
    if wanted != "websocket" or call.method != "GET":
        raise statuses.bad_request(
            f"this server upgrades to WebSocket only, not to {wanted or 'nothing'} ({call.method})"
        )
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if PROTOCOL not in offered:
        raise statuses.bad_request(f"this server speaks {PROTOCOL} only, not {', '.join(offered)}")


class _Session:
    """One exec, and the process that it started."""

    def __init__(
        self,
        call: Call,
        request: web.Request,
        socket: web.WebSocketResponse,
        unit: Unit,
        runner: Runner,
        tampered: Sequence[Tampered],
    ) -> None:
        self._call = call
        self._request = request
        self._socket = socket
        self._unit = unit
        self._runner = runner
        self._out, self._in = tampered
        self._gone = False

    async def run(self) -> None:
        """From start to end of the exec; the process outlives it if the client leaves."""
        try:
            process = await self._started()
        except (NoProgram, OSError) as error:
            message = f"Internal error occurred: error executing command in container: {error}"
            await self._end(
                {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
            )
            return
        self._unit.inside.add(process)
        lived = self._runner.state.begin(self._live(process))
        try:
            await self._take_input(process)
        finally:
            self._gone = True
            _close(process)
        if not self._socket.closed:
            await asyncio.shield(lived)  # a client that leaves ends this request, not the process

    async def _started(self) -> asyncio.subprocess.Process:
        within = self._unit.made
        assert within is not None
        wanted = {name: self._call.query.flag(name) for name in ("stdin", "stdout", "stderr")}
        return await asyncio.create_subprocess_exec(
            *making.real_command(within, self._call.query.all("command")),
            cwd=within.folder,
            env=dict(within.variables),
            start_new_session=True,
            **{name: asyncio.subprocess.PIPE if on else asyncio.subprocess.DEVNULL for name, on in wanted.items()},
        )

    async def _live(self, process: asyncio.subprocess.Process) -> None:
        """Passes output on until the process has ended, then says how it ended."""
        try:
            await asyncio.gather(
                self._pass(process.stdout, _STDOUT), self._pass(process.stderr, _STDERR), return_exceptions=True
            )
            code = await process.wait()
        finally:
            self._unit.inside.discard(process)
            units.release(process)
        order = self._out.interruption
        if order is not None and order.at is None and not self._gone:
            await self._interrupt()
        elif not self._gone:
            await self._end(_status(code if code >= 0 else 128 - code))

    async def _pass(self, stream: asyncio.StreamReader | None, channel: int) -> None:
        """Output to the client; to nobody once it has gone."""
        while stream is not None and (data := await stream.read(_CHUNK)):
            due = False
            if channel == _STDOUT:
                data, due = self._out.passed(data)
            if data and not self._gone:
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await self._socket.send_bytes(bytes([channel]) + data)
            if due:
                await self._interrupt()

    async def _interrupt(self) -> None:
        """Does to the stream what a test has ordered."""
        order = self._out.interruption
        assert order is not None
        if order.what == "delete":
            self._runner.state.begin(self._runner.deleted())
            return
        if order.what == "stall":
            await asyncio.sleep(order.seconds)
            return
        self._gone = True
        if order.what == "end":
            await self._socket.close()
        else:
            self._cut()

    def _cut(self) -> None:
        self._gone = True
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _take_input(self, process: asyncio.subprocess.Process) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _CLOSE and data == bytes([_STDIN]):
                _close(process)
            elif channel == _STDIN and process.stdin is not None and not process.stdin.is_closing():
                data, due = self._in.passed(data)
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(data)
                    await process.stdin.drain()
                if due:
                    self._cut()
                    return

    async def _end(self, status: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._socket.send_bytes(bytes([_STATUS]) + json.dumps(status).encode())
            await self._socket.close()


def _close(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.close()


def _status(code: int) -> dict[str, Any]:
    """What the kubelet says of an exit status."""
    if code == 0:
        return _SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
