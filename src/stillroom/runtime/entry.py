"""How the carried runtime is entered: as one worker (pods, hosts) or as a parent that forks workers (this machine)."""

from __future__ import annotations

import os
import socket
import sys

from .wire import forkserver, relay, worker

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serves and exits.

    Args:
        arguments: `["worker"]`: one request on standard input, the answer on standard output; or
            `["parent", "<descriptor>"]`: forks a worker for each request that arrives over that control socket; or
            `["relay"]`: one for each request that arrives on standard input, whose answers share standard output.
    """
    if arguments[0] == "parent":
        forkserver.serve(socket.socket(fileno=int(arguments[1])))
        worker.leave(0)  # taking all that was preloaded apart would keep the operator waiting
    answer = os.dup(1)
    os.dup2(2, 1)
    if arguments[0] == "relay":
        requests = os.dup(0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        worker.leave(relay.serve(requests, answer))
    worker.leave(worker.run(sys.stdin.buffer, answer))
