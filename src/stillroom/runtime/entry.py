"""How the carried runtime is entered: as one worker (pods, hosts) or as a parent that forks workers (this machine)."""

from __future__ import annotations

import os
import socket
import sys

from .wire import forkserver, worker

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serves and exits.

    Args:
        arguments: `["worker"]`: one request on standard input, the answer on standard output; or
            `["parent", "<descriptor>"]`: forks a worker for each request that arrives over that control socket.
    """
    if arguments[0] == "parent":
        forkserver.serve(socket.socket(fileno=int(arguments[1])))
        worker.leave(0)  # taking all that was preloaded apart would keep the operator waiting
    answer = os.dup(1)
    os.dup2(2, 1)
    worker.leave(worker.run(sys.stdin.buffer, answer))
