"""Preflight: whether what revision files import is there. Alembic loads every file before it does anything.

The files are not executed for that: their import statements are read, and Python is asked where it would find them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import facts
from ..reading import revision_body, revisions
from .preflight_findings import Findings

__all__ = ["judge"]


def judge(found: Findings, service: facts.ServiceFacts, history: Sequence[revisions.Revision]) -> None:
    """An error where a module is missing that a file needs for being loaded.

    Args:
        found: the finding goes here.
        service: whose.
        history: its revisions. `env.py` has run before: it may have added import places.
    """
    missing: dict[str, list[str]] = {}
    there: dict[str, bool] = {}
    for revision in history:
        for each in revision.outline.imports:
            if not each.loading or each.module.startswith(".") or revision_body.is_known_module(each.module):
                continue
            if each.module not in there:
                there[each.module] = _is_there(each.module, service.path)
            if not there[each.module]:
                missing.setdefault(each.module, []).append(f"{revision.name}:{each.line}")
    for module, places in missing.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        root = module.partition(".")[0]
        found.error(
            "revisions",
            f"{service.name}: {places[0]}{more} imports {module}, and there is no such module: "
            "Alembic can't load the history",
            f"install {root} for the service's interpreter ({sys.executable}), or mend the import in the file; if it lies "
            "in another folder, name that in services.yaml (prepend_sys_path:)",
            code="revision-imports-missing",
            module=module,
            places=places,
        )


def _is_there(module: str, path: str) -> bool:
    """Whether Python would find it. Below its first name only for the service's own code: others make modules as they go."""
    root, *names = module.split(".")
    spec = sys.modules[root].__spec__ if root in sys.modules else _spec(root)
    if spec is None:
        return root in sys.modules
    if not _is_under(spec, path):
        return True
    for at in range(len(names)):
        name = ".".join((root, *names[: at + 1]))
        if name in sys.modules:
            spec = sys.modules[name].__spec__
        elif spec is not None:
            places = spec.submodule_search_locations
            spec = importlib.machinery.PathFinder.find_spec(name, list(places)) if places is not None else None
        if spec is None:
            return name in sys.modules
    return True


def _spec(root: str) -> Any:
    try:
        return importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None


def _is_under(spec: importlib.machinery.ModuleSpec, path: str) -> bool:
    places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return any(Path(path) in Path(each).parents and "site-packages" not in each for each in places)
