"""The runtime as it travels: one small zip, made from the package beside us, the same bytes for the same sources.

On this machine it need not travel: there the folder is named where it lies.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import os
import types
import zipfile
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["LAUNCHER", "address", "luggage", "program"]

# Run as `python -c LAUNCHER worker`: leaves the working directory out of the import path (a service's own `logging.py`
# must not shadow the standard library), then runs what arrives on standard input.
LAUNCHER = (
    "import sys;sys.path[:]=[p for p in sys.path if p];s=sys.stdin.buffer;"
    "exec(compile(s.read(int(s.readline())),'<stillroom>','exec'))"
)
_PACKAGE = "stillroom_carried"
_MAIN = f"import runpy; runpy.run_module({_PACKAGE!r}, run_name='__main__', alter_sys=True)\n".encode()
_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def luggage() -> bytes:
    """What is written to the launcher's standard input ahead of the first request: bootstrap and zipped runtime."""
    bootstrap = importlib.resources.files("stillroom.targets").joinpath("bootstrap.py").read_bytes()
    archive = _zipped()
    return b"%d\n%s%d\n%s" % (len(bootstrap), bootstrap, len(archive), archive)


def address() -> bytes:
    """What is written there instead, on this machine: bootstrap, and where the runtime lies.

    The luggage itself where it lies in no folder (but in a zip, say) or in one that a line can't name.
    """
    folder = importlib.resources.files("stillroom.runtime")
    if not isinstance(folder, Path) or "\n" in str(folder):
        return luggage()
    bootstrap = importlib.resources.files("stillroom.targets").joinpath("beside.py").read_bytes()
    return b"%d\n%s%s\n" % (len(bootstrap), bootstrap, os.fsencode(folder.absolute()))


@functools.cache
def program() -> bytes:
    """The runtime as a program: `python FILE migrate` is `python -m stillroom.runtime migrate`."""
    return _zipped({"__main__.py": _MAIN})


def _zipped(more: Mapping[str, bytes] = types.MappingProxyType({})) -> bytes:
    files = _files(importlib.resources.files("stillroom.runtime"), _PACKAGE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*more.items(), *((name, entry.read_bytes()) for name, entry in files)):
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _files(entry, f"{name}/{entry.name}")
        elif entry.name.endswith((".py", ".sql")):
            yield f"{name}/{entry.name}", entry
