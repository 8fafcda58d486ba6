"""What a service's own code raised, told as a fault: what, in which file and line, and what to do."""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from .. import faults, missing
from ..housekeeping import disk

__all__ = ["blamed"]

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - may be in a zip
_FOREIGN = ("site-packages", _OURS, "<frozen", "/lib/python", "<string>")


@contextlib.contextmanager
def blamed(service: str, doing: str, url: str | None = None) -> Iterator[None]:
    """Translates what the service's code raises inside the block.

    Args:
        service: named in the message.
        doing: what was under way: "importing its models", "running env.py".
        url: the database that it is done with; with it, a right that is missing is told with the GRANT that gives it.

    Raises:
        faults.Fault: for everything but `faults.Fault` itself and the end of the process.
    """
    try:
        yield
    except faults.Fault:
        raise
    except SystemExit as error:
        raise _exited(service, doing, error) from error
    except Exception as error:
        raise _fault(service, doing, error, url) from error


def _fault(service: str, doing: str, error: Exception, url: str | None) -> faults.Fault:
    for cause in _chain(error):
        if isinstance(cause, faults.Fault):
            return cause
        for judge in (_disk_error, _import_error, _database_error, _alembic_error, _percent_error, _missing_variable):
            found = judge(service, doing, cause)
            if isinstance(found, faults.DatabaseFault) and url is not None:
                _diagnose(found, cause, url)
            if found is not None:
                found.detail = found.detail or _trace(error)
                return found
    return faults.ProjectFault(
        "service-code-failed",
        f"{service}: {doing} failed with {type(error).__name__}: {_first_line(error)}{_place(error)}",
        "mend the service's code at the place named; --debug shows the whole traceback",
        detail=_trace(error),
    )


def _disk_error(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    return disk.refused(f"{service}: {doing}", error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_DISTRIBUTIONS = dict(
    each.split("=")
    for each in (
        "bs4=beautifulsoup4",
        "dateutil=python-dateutil",
        "decouple=python-decouple",
        "dogpile=dogpile.cache",
        "dotenv=python-dotenv",
        "jose=python-jose",
        "jwt=pyjwt",
        "magic=python-magic",
        "multipart=python-multipart",
        "PIL=pillow",
        "psycopg='psycopg[binary]'",
        "psycopg2=psycopg2-binary",
        "pythonjsonlogger=python-json-logger",
        "slugify=python-slugify",
        "yaml=pyyaml",
    )
)
"""What services import, and what brings it, where the names differ."""


def _import_error(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    if not isinstance(error, ImportError | SyntaxError):
        return None
    if isinstance(error, SyntaxError):
        return faults.ProjectFault(
            "models-do-not-import",
            f"{service}: {doing} failed: {type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})",
            "mend that line",
            data={"module": ""},
        )
    name = getattr(error, "name", None)
    root = str(name or "").partition(".")[0]
    if "circular import" in str(error):
        mend = "import it where it is used (in the function), or move what both modules need into a third one"
    elif type(error).__name__ == "PackageNotFoundError":  # the code asks for the version of an installed distribution
        mend = f"install {name} for the service's interpreter (the service's own: pip install -e .)"
    elif not isinstance(error, ModuleNotFoundError) or not name:
        mend = "mend the import; try it with: python -c 'import app.models' in the service's folder"
    elif Path(root).exists() or Path(f"{root}.py").exists():
        mend = f"{root} is the service's own: mend the name in the import, or in models: of services.yaml"
    else:
        mend = f"install it for the service's interpreter (pip install {_DISTRIBUTIONS.get(root, root)}), or mend the import"
    return faults.ProjectFault(
        "models-do-not-import",
        f"{service}: {doing} failed: {type(error).__name__}: {_first_line(error)}{_place(error)}",
        mend,
        data={"module": str(name or "")},
    )


def _missing_variable(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    names = missing.variables(error)
    if not names:
        return None
    several = len(names) > 1
    shown = (
        f"the environment variables {', '.join(names)}, which are"
        if several
        else f"the environment variable {names[0]}, which is"
    )
    return faults.ProjectFault(
        "variable-missing",
        f"{service}: {doing} needs {shown} not set{_place(error)}",
        f"set {'them' if several else 'it'}, or say in services.yaml what will do for migrations: "
        f"env: {{{', '.join(f'{each}: ...' for each in names)}}}",
        data={"variable": names[0], "variables": names},
    )


def _database_error(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    statement = getattr(error, "statement", None)
    original = getattr(error, "orig", None)
    if original is None:
        return None
    shown = f" in: {_shorten(statement)}" if statement else ""
    return faults.DatabaseFault(
        "statement-failed",
        f"{service}: {doing} failed in the database: {_first_line(original)}{shown}{_place(error)}",
        _mend(_first_line(original), str(statement or "")),
        data={"statement": _shorten(statement or ""), "sqlstate": _sqlstate(original)},
    )


_FIRST_THERE = (
    (
        re.compile(r'role "(?P<name>[^"]+)" does not exist'),
        "make the role on the server before (CREATE ROLE {name};), or let the revision make it where it is not there",
    ),
    (
        re.compile(r'extension "(?P<name>[^"]+)" is not available'),
        "install the extension {name} on the server, or take it out of the revision",
    ),
)


_INHERITS = re.compile(r"\bINHERITS\s*\(", re.IGNORECASE)


def _mend(said: str, statement: str) -> str:
    """What to do about a statement that the server refused."""
    if _INHERITS.search(statement) and "does not exist" in said:
        return "say in the models which table comes first: child.add_is_dependent_on(parent), for the tables themselves"
    for pattern, mend in _FIRST_THERE:
        match = pattern.search(said)
        if match:
            return mend.format(name=match["name"])
    return "mend the revision (or the model it comes from) that holds this statement"


def _diagnose(found: faults.DatabaseFault, error: BaseException, url: str) -> None:
    """Where the server's reason has a name and a mend of its own, the fault gets them."""
    # Late: blame is also laid where SQLAlchemy itself is missing.
    from ..connections import diagnosis

    known = diagnosis.database_fault(error, url)
    if known is not None and known.code != found.code:
        found.code, found.mend = known.code, known.mend


def _sqlstate(error: BaseException) -> str:
    for each in _chain(error):
        state = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if state:
            return str(state)
    return ""


def _alembic_error(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    if not any(cls.__name__ == "CommandError" and cls.__module__ == "alembic.util.exc" for cls in type(error).__mro__):
        return None
    if "does not provide a MetaData object" in str(error):
        return faults.ProjectFault(
            "metadata-none",
            f"{service}: {doing}: env.py gives Alembic no metadata, so there are no models to work from",
            "target_metadata = Base.metadata in env.py, after importing every module with models, and "
            "context.configure(target_metadata=target_metadata)",
        )
    return faults.ProjectFault(
        "alembic-refused",
        f"{service}: {doing}: Alembic says: {_first_line(error)}",
        "mend the history or the ini file; invoke preflight checks both",
    )


def _percent_error(service: str, doing: str, error: BaseException) -> faults.Fault | None:
    """An ini file takes `%` for the beginning of a name; a password that is encoded in a URL has some."""
    if not isinstance(error, ValueError) or not str(error).startswith("invalid interpolation syntax"):
        return None
    return faults.ProjectFault(
        "percent-not-doubled",
        f"{service}: {doing} failed: a text with % in it was given to the ini file as it is{_place(error)}",
        'double it there: config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))',
    )


def _exited(service: str, doing: str, error: SystemExit) -> faults.Fault:
    return faults.ProjectFault(
        "service-code-exited",
        f"{service}: {doing} ended the process (SystemExit {error.code!r}){_place(error)}",
        "code that runs at import must not call sys.exit(); mend it at the place named",
        detail=_trace(error),
    )


def _place(error: BaseException) -> str:
    """` (file:line)` of the innermost frame in the service's own code; empty where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    # Compiled libraries give names such as lib/sqlalchemy/engine/_result_cy.py, which are nowhere here.
    own = [
        frame
        for frame in frames
        if os.path.isabs(frame.filename) and not any(part in frame.filename for part in _FOREIGN)  # noqa: PTH117
    ]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "(no message)"


def _shorten(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= 160 else text[:157] + "…"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
