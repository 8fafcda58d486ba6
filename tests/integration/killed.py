"""A migration that kills itself at its nth line of ours: `python killed.py LINE migrate …`; 0: never, and it counts them."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from stillroom.runtime import __main__ as runtime
from stillroom.runtime.migrating import command  # noqa: F401 - imported before anything is counted

OURS = tuple(f"{os.sep}runtime{os.sep}{each}{os.sep}" for each in ("migrating", "ledger", "replay", "applying"))


class Counter:
    """Counts lines, and kills."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def called(self, frame: FrameType, _event: str, _argument: object) -> Any:
        """For `sys.settrace`."""
        return self.line if any(each in frame.f_code.co_filename for each in OURS) else None

    def line(self, _frame: FrameType, event: str, _argument: object) -> Any:
        """For one frame."""
        if event == "line":
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.line


if __name__ == "__main__":
    counter = Counter(int(sys.argv[1]))
    sys.settrace(counter.called)
    code = runtime.main(sys.argv[2:])
    sys.settrace(None)
    sys.stdout.write(f"lines {counter.count}\n")
    sys.exit(code)
