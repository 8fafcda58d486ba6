"""What a target's Python runs first: imports the carried runtime out of memory, and enters it.

The text of this file travels ahead of the zipped runtime on standard input; nothing is written on the target. It is
therefore self-contained, and runs on Python 3.10 and up.
"""

import importlib
import importlib.abc
import importlib.util
import io
import sys
import zipfile
import zlib
from importlib.machinery import ModuleSpec

# Annotations are evaluated on Python 3.10 too: only what it knows stands in them.
PACKAGE = "stillroom_carried"


class MemoryFinder(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """Finds and loads the modules of one package in a zip archive that was never a file."""

    def __init__(self, data: bytes) -> None:
        self.archive = zipfile.ZipFile(io.BytesIO(data))
        self.names = set(self.archive.namelist())

    def _entry(self, fullname: str) -> str | None:
        path = fullname.replace(".", "/")
        return next((name for name in (path + "/__init__.py", path + ".py") if name in self.names), None)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a carried module; None for every other."""
        entry = self._entry(fullname)
        if entry is None:
            return None
        package = entry.endswith("/__init__.py")
        spec = importlib.util.spec_from_loader(fullname, self, origin="<carried>/" + entry, is_package=package)
        if spec is not None:
            spec.has_location = True
        return spec

    def get_filename(self, fullname: str) -> str:
        """Where tracebacks say that a carried module is."""
        return "<carried>/" + str(self._entry(fullname))

    def get_source(self, fullname: str) -> str:
        """The source of a carried module (for tracebacks, too)."""
        entry = self._entry(fullname)
        if entry is None:
            raise ImportError(fullname)
        return self.archive.read(entry).decode()

    def is_package(self, fullname: str) -> bool:
        """Whether a carried module is a package."""
        return str(self._entry(fullname)).endswith("/__init__.py")

    def get_data(self, path: str) -> bytes:
        """A carried data file, for `pkgutil.get_data`."""
        return self.archive.read(path[path.index(PACKAGE) :].replace("\\", "/"))


def main() -> None:
    """Reads the runtime from standard input and enters it."""
    stream = sys.stdin.buffer
    length, checksum = map(int, stream.readline().split() or (0, 1))
    data = stream.read(length)
    if zlib.crc32(data) != checksum:
        sys.exit("stillroom: the runtime did not arrive as it was sent")
    sys.meta_path.insert(0, MemoryFinder(data))
    importlib.import_module(PACKAGE + ".entry").main(sys.argv[1:])


main()
