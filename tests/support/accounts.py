"""Running a piece of a test as an ordinary user."""

from __future__ import annotations

import os
import pwd
import traceback
from collections.abc import Callable

from stillroom.embedded.account import Account

__all__ = ["as_ordinary_user", "ordinary"]


def ordinary() -> Account | None:
    """A user without rights, if this process is root; None if it is an ordinary user already."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def as_ordinary_user(work: Callable[[], str]) -> str:
    """What `work` returns; as root it runs in a forked process (the interpreter itself may lie where only root gets).

    Whatever `work` raises fails the test, with its traceback.
    """
    account = ordinary()
    if account is None:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.environ["HOME"] = "/nonexistent"
            answer = "+" + work()
        except BaseException:  # noqa: BLE001 - it crosses to the parent as text
            answer = "-" + traceback.format_exc()
        os.write(writing, answer.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    assert answer.startswith("+"), answer
    return answer[1:]
