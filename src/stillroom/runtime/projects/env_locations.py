"""Folders of revision files that `env.py` sets itself, which nobody sees who only reads the configuration.

Alembic has read the configuration when `env.py` runs, so an option that is set there counts only for programs that import
it. What is given to `context.script` counts.
"""

from __future__ import annotations

import ast

from .. import facts, faults
from ..reading import revision_graph, revision_head
from . import locations

__all__ = ["refuse"]

_OPTION = "version_locations"
_SETTERS = ("set_main_option", "set_section_option")


def refuse(service: facts.ServiceFacts, where: locations.Locations, graph: revision_graph.Graph) -> None:
    """Raises where it is not known where the revisions are.

    Args:
        service: what it declares counts.
        where: the folders that its configuration names.
        graph: what is in these folders.

    Raises:
        faults.ProjectFault: `version-locations-in-code`.
    """
    if service.version_locations is not None:
        return
    try:
        env_source = (where.script_location / "env.py").read_bytes()
    except OSError:
        return  # told by what needs it
    line, counts = _set(env_source) if _OPTION.encode() in env_source else (0, False)
    if not line or (not counts and graph.revisions):
        return
    folders = ", ".join(str(each) for each in where.version_locations)
    raise faults.ProjectFault(
        "version-locations-in-code",
        f"{service.name}: {where.script_location / 'env.py'}:{line} sets version_locations itself; the configuration says "
        f"{folders}, where there {'is no revision' if not graph.revisions else 'may be only a part of the revisions'}",
        "declare the folders in services.yaml, version_locations: [FOLDER, ...] (relative to path:, or package:folder)",
    )


def _set(source: bytes) -> tuple[int, bool]:
    """The line in which they are set (0: in none), and whether Alembic minds."""
    try:
        tree = revision_head.parse_module(source, "env.py")
    except SyntaxError:
        return 0, False  # told by what reads it for its version table
    option = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Attribute) and each.attr.endswith(_OPTION) for each in targets):
                return node.lineno, True
        elif isinstance(node, ast.Call) and not option and _sets_option(node):
            option = node.lineno
    return option, False


def _sets_option(call: ast.Call) -> bool:
    setter = isinstance(call.func, ast.Attribute) and call.func.attr in _SETTERS
    return setter and any(isinstance(each, ast.Constant) and each.value == _OPTION for each in call.args)
