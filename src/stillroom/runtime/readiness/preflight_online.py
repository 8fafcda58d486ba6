"""Preflight: `env.py` with the database, as `alembic current` runs it, and the revision files loaded, as Alembic does it.

Reading tells much of both, and running all: a driver that is not there, an option that only its own command line sets, a
name that the application no longer has. It happens in a copy of this process; nothing is migrated, and what would change
the database by itself is not let through.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from .. import facts, faults
from ..housekeeping import aside
from ..projects import blame, environment, hands_off, project
from .preflight_findings import Findings

__all__ = ["judge"]

_KEPT = "import-migrates"
_PREPARES = re.compile(r"create\s+(?:schema|extension)\b|.*\b(?:version_num|alembic_version)\b", re.IGNORECASE)
"""What `env.py` may do before the first revision: a schema, an extension, a wider version table."""


def judge(found: Findings, service: facts.ServiceFacts, *, begun: bool) -> project.VersionTable | None:
    """Runs it, and says what went wrong.

    Args:
        found: the findings go here; nothing where all is well.
        service: whose.
        begun: False where something is to happen before the first revision (`bootstrap:`), which `env.py` may need: then
            what it raises is a warning.

    Returns:
        The version table that `env.py` configures; None if it is not known.
    """
    try:
        told = aside.run(lambda: _ran(service))
    except faults.Fault as fault:
        if fault.code != _KEPT:
            _tell(found, fault, begun=begun)
        elif not _PREPARES.match(str(fault.data["statement"])):
            found.warning("env.py", fault.message, fault.mend, code=fault.code)
        return None
    if told["fault"] is not None:
        found.fault("revisions", faults.from_dict(told["fault"]))
    return project.VersionTable(**told["table"])


def _tell(found: Findings, fault: faults.Fault, *, begun: bool) -> None:
    if begun:
        found.fault("env.py", fault)
    else:
        found.warning("env.py", f"{fault.message} (bootstrap: may change that)", fault.mend, code=fault.code)


def _ran(service: facts.ServiceFacts) -> dict[str, Any]:
    """In the copy: `table`, and `fault` of a revision file that can't be loaded."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    seen: list[project.VersionTable] = []

    def look(revision: object, context: MigrationContext) -> list[object]:
        seen.append(project.version_table(context))
        return []

    of = project.Project(service)
    with environment.working_on(service, environment.service_url(service)), hands_off.kept(_kept):
        config = of.config()
        script = of.script(config)
        with (
            blame.blamed(service.name, "running env.py"),
            EnvironmentContext(config, script, fn=look, dont_mutate=True),
        ):
            script.run_env()
        if not seen:
            raise of.did_nothing(script)
        try:
            with blame.blamed(service.name, "loading its revisions"):
                list(script.walk_revisions())
        except faults.ProjectFault as fault:
            return {"table": dataclasses.asdict(seen[-1]), "fault": fault.to_dict()}
    return {"table": dataclasses.asdict(seen[-1]), "fault": None}


def _kept(statement: str) -> faults.Fault:
    return faults.JudgedFault(
        _KEPT,
        f"env.py, or what it imports, changes the database by itself ({hands_off.shown(statement)}), which was not let "
        "through: this command only looks; what comes after it is not known",
        "make tables where the application starts, not where a module is imported; next to migrations, create_all() has no "
        "place",
        data={"statement": statement},
    )
