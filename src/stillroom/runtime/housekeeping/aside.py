"""What a service's code keeps in a process, kept from staying: imported modules, and the settings that they have read.

Settings objects read a URL once, when they are imported. Where a process works on two databases, one after the other,
the first must not be what the second is taken for.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from .. import faults

__all__ = ["forget", "run"]


def forget(folder: str) -> None:
    """Modules below a service's folder are imported anew by whoever imports them next; installed ones stay."""
    own = os.path.realpath(folder) + os.sep
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        path = os.path.realpath(file) if isinstance(file, str) else ""
        ours = name.partition(".")[0] == __name__.partition(".")[0]
        if path.startswith(own) and not ours and f"{os.sep}site-packages{os.sep}" not in path:
            del sys.modules[name]


def run(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns (JSON-able), done in a copy of this process that ends with it.

    Raises:
        faults.Fault: what it raised.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads that hold locks; ours wait for the operator, and hold none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_end(work, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as stream:
            answer = stream.read()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if not answer:
        raise faults.ProjectFault(
            "service-code-exited",
            f"the service's code ended the process (status {os.waitstatus_to_exitcode(status)})",
            "code that runs at import must not end the process; --debug shows what it printed",
        )
    value: dict[str, Any] = json.loads(answer)
    if "fault" in value:
        raise faults.from_dict(value["fault"])
    result: dict[str, Any] = value["result"]
    return result


def _work_and_end(work: Callable[[], dict[str, Any]], writing: int) -> None:
    try:
        value = {"result": work()}
    except faults.Fault as fault:
        value = {"fault": fault.to_dict()}
    except BaseException as error:  # noqa: BLE001 - this process ends here, whatever it was
        detail = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        value = {"fault": faults.Fault("unexpected", f"{type(error).__name__}: {error}", "", detail=detail).to_dict()}
    with contextlib.suppress(OSError), os.fdopen(writing, "wb") as stream:
        stream.write(json.dumps(value).encode())
    os._exit(0)
