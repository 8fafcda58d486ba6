"""Interrupts a piece of work at each of its moments in turn, each time in a process of its own; for `test_ending.py`.

Usage: `python moments.py REQUEST`, JSON: `service` (facts), `options` (of `places.working_place`), `events` (`line` or
`opcode`), `modules`, `first` and `step`. At the moments `first`, `first + step`, … of these modules SIGTERM arrives.
Prints `NUMBER PLACE CODE LEFT` for each, until the work has no such moment any more; then `end`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from stillroom.runtime import facts
from stillroom.runtime.connections import connection
from stillroom.runtime.housekeeping import ending, temporary
from stillroom.runtime.scratches import places


def work(service: facts.ServiceFacts, options: dict[str, Any]) -> None:
    """What a worker does: opens a place to work at, makes something there, makes it empty again, and closes it."""
    tell: Any = SimpleNamespace(step=lambda *_: None, warn=lambda *_: None)
    with places.working_place(service, options, tell) as place, temporary.folder() as folder:
        _make(place.url)
        (folder / "made").touch()
        place.renew()
        _make(place.url)


def _make(url: str) -> None:
    connection.run(url, lambda conn: conn.exec_driver_sql("CREATE TABLE product (id int)").close())


class Moment:
    """Raises the signal at the `number`th place that is new; the same line called from elsewhere is another place."""

    def __init__(self, number: int, modules: list[str], opcodes: bool) -> None:
        self.left = number
        self.modules = modules
        self.opcodes = opcodes
        self.seen: set[tuple[object, ...]] = set()
        self.place = ""

    def called(self, frame: FrameType, _event: str, _argument: object) -> Any:
        """For `sys.settrace`."""
        if _file(frame) not in self.modules:
            return None
        frame.f_trace_opcodes = self.opcodes
        return self.local

    def local(self, frame: FrameType, event: str, _argument: object) -> Any:
        """For one frame."""
        if event in (("opcode",) if self.opcodes else ("line", "return")) and not self.place:
            self.look(frame, event)
        return self.local

    def look(self, frame: FrameType, event: str) -> None:
        """Whether this is it."""
        place = (frame.f_code, frame.f_lasti, event, *_callers(frame))
        if place not in self.seen:
            self.seen.add(place)
            self.left -= 1
            if not self.left:
                self.place = f"{_file(frame)}:{frame.f_lineno}:{event}"
                os.kill(os.getpid(), signal.SIGTERM)


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename.rpartition("/")[2]


def _callers(frame: FrameType) -> list[object]:
    """Where it was called from, out to the first line that is not contextlib's."""
    found: list[object] = []
    caller = frame.f_back
    while caller is not None:
        found += [caller.f_code, caller.f_lasti]
        if _file(caller) != "contextlib.py":
            break
        caller = caller.f_back
    return found


def one(number: int, asked: dict[str, Any]) -> str:
    """The place of the moment, in a process of its own; empty if the work has no such moment."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read) as told:
            place = told.read()
        _, status = os.waitpid(child, 0)
        return f"{place} {os.waitstatus_to_exitcode(status)}" if place else ""
    code = 3
    moment = Moment(number, asked["modules"], asked["events"] == "opcode")
    try:
        ending.listen()
        sys.settrace(moment.called)
        # Without it: the code as it was before.
        watched: Any = getattr(ending, "watched", lambda run: run())
        watched(lambda: work(facts.ServiceFacts.from_dict(asked["service"]), asked["options"]))
        code = 0
    except ending.Terminated:
        code = 143
    finally:
        sys.settrace(None)
        os.write(write, moment.place.encode())
        os._exit(code)


def left() -> int:
    """How much is left: the next run would clear it away."""
    found = len(list(Path(os.environ["TMPDIR"]).iterdir()))
    for url in (os.environ["AUTH_URL"], os.environ["AUTH_SCRATCH_URL"]):
        found += connection.run(url, lambda conn: conn.exec_driver_sql(LEFT).scalar())
    return found


LEFT = """
SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '^stillroom' AND datdba = current_user::regrole)
     + (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)
     + (SELECT count(*) FROM pg_largeobject_metadata)
"""


def main(asked: dict[str, Any]) -> None:
    """All moments."""
    number = asked["first"]
    while found := one(number, asked):
        sys.stdout.write(f"{number} {found} {left()}\n")
        number += asked["step"]
    sys.stdout.write("end\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
