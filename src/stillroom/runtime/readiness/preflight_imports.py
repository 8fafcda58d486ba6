"""Preflight: whether what revision files import is there. Alembic loads every file before it does anything.

The files themselves are not executed: their import statements are read. Python is asked where it would find a module of
others; one of the service's own is imported, for it may import in turn what is not there.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import facts, faults
from ..projects import blame, env_run, environment
from ..reading import revision_body, revisions
from .preflight_findings import Findings

__all__ = ["judge"]


def judge(found: Findings, service: facts.ServiceFacts, history: Sequence[revisions.Revision]) -> None:
    """An error for each module that a file needs for being loaded, and that can't be imported.

    Args:
        found: the findings go here.
        service: whose.
        history: its revisions. `env.py` has run before: it may have added import places.
    """
    places: dict[str, list[str]] = {}
    for revision in history:
        for each in revision.outline.imports:
            if each.loading and not each.module.startswith(".") and not revision_body.is_known_module(each.module):
                places.setdefault(each.module, []).append(f"{revision.name}:{each.line}")
    with environment.only(service, env_run.NOWHERE):
        for module, where in places.items():
            _judge(found, service, module, where)


def _judge(found: Findings, service: facts.ServiceFacts, module: str, where: list[str]) -> None:
    if module in sys.modules:
        return
    spec = _spec(module.partition(".")[0])
    if spec is None:
        _missing(found, service, module, where)
    elif _is_under(spec, service.path):
        try:
            with blame.blamed(service.name, f"importing {module}, as {where[0]} does,"):
                importlib.import_module(module)
        except faults.DatabaseFault:
            pass  # it connects, and that is refused here: what it would do with a database is not known
        except faults.ProjectFault as fault:
            found.fault("revisions", fault)


def _missing(found: Findings, service: facts.ServiceFacts, module: str, where: list[str]) -> None:
    more = f" and {len(where) - 1} more" if len(where) > 1 else ""
    root = module.partition(".")[0]
    found.error(
        "revisions",
        f"{service.name}: {where[0]}{more} imports {module}, and there is no such module: "
        "Alembic can't load the history",
        f"install {root} for the service's interpreter ({sys.executable}), or mend the import in the file; if it lies "
        "in another folder, name that in services.yaml (prepend_sys_path:)",
        code="revision-imports-missing",
        module=module,
        places=where,
    )


def _spec(root: str) -> importlib.machinery.ModuleSpec | None:
    if root in sys.modules:
        return sys.modules[root].__spec__ or importlib.machinery.ModuleSpec(root, None)
    try:
        return importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None


def _is_under(spec: importlib.machinery.ModuleSpec, path: str) -> bool:
    places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return any(Path(path) in Path(each).parents and "site-packages" not in each for each in places)
