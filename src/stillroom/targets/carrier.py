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
import zlib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["DAMAGED", "LAUNCHER", "address", "luggage", "program"]

DAMAGED = "stillroom: the runtime did not arrive as it was sent"
"""What is said on standard error then."""

# Run as `python -c LAUNCHER worker`: leaves the working directory out of the import path (a service's own `logging.py`
# must not shadow the standard library), then runs what arrives on standard input, if it arrived as it was sent.
LAUNCHER = (
    "import sys,zlib;sys.path[:]=[p for p in sys.path if p];s=sys.stdin.buffer;"
    "n,c=map(int,s.readline().split()or(0,1));b=s.read(n);"
    f"zlib.crc32(b)==c or sys.exit('{DAMAGED}');"
    "exec(compile(b,'<stillroom>','exec'))"
)
_PACKAGE = "stillroom_carried"
_MAIN = f"import runpy; runpy.run_module({_PACKAGE!r}, run_name='__main__', alter_sys=True)\n".encode()
_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def luggage() -> bytes:
    """What is written to the launcher's standard input ahead of the first request: bootstrap and zipped runtime."""
    bootstrap = importlib.resources.files("stillroom.targets").joinpath("bootstrap.py").read_bytes()
    return _announced(bootstrap) + _announced(_zipped())


def address() -> bytes:
    """What is written there instead, on this machine: bootstrap, and where the runtime lies.

    The luggage itself where it lies in no folder (but in a zip, say) or in one that a line can't name.
    """
    folder = importlib.resources.files("stillroom.runtime")
    if not isinstance(folder, Path) or "\n" in str(folder):
        return luggage()
    bootstrap = importlib.resources.files("stillroom.targets").joinpath("beside.py").read_bytes()
    return b"%s%s\n" % (_announced(bootstrap), os.fsencode(folder.absolute()))


def _announced(data: bytes) -> bytes:
    """Bytes behind a line with their number and CRC-32."""
    return b"%d %d\n%s" % (len(data), zlib.crc32(data), data)


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
