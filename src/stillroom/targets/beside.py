"""What a Python on this very machine runs first: imports the runtime from where it lies, under the carried name.

The same package under the same name as `bootstrap` makes, so that a service may use `stillroom` itself; but nothing is
unpacked, and the bytecode that Python keeps beside the sources saves compiling them. The folder arrives as a line on
standard input. This file travels as text, so it is self-contained, and runs on Python 3.10 and up.
"""

import importlib.util
import os
import sys

PACKAGE = "stillroom_carried"


def main() -> None:
    """Reads the folder from standard input and enters the runtime."""
    folder = os.fsdecode(sys.stdin.buffer.readline().rstrip(b"\n"))
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder + os.sep + "__init__.py", submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} holds no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    importlib.import_module(PACKAGE + ".entry").main(sys.argv[1:])


main()
