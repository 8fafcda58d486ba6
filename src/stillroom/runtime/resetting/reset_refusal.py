"""What forbids a reset, told in one go: every object and schema by name, sorted, each with the line that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..schema import objects
from . import reset_plan

if TYPE_CHECKING:
    import sqlalchemy.engine

__all__ = ["check", "permission_denied"]

_SHOWN = 5


def check(conn: sqlalchemy.engine.Connection, decided: reset_plan.Plan) -> None:
    """Refuses a plan that must not be carried out.

    Args:
        conn: to the database of the plan, for the names of what needs what.
        decided: the plan.

    Raises:
        faults.RefusedFault: `not-owner`, `needed-by-others`.
        faults.DatabaseFault: `permission-denied`.
    """
    foreign = [each.what for each in decided.refusals if each.code == "not-owner"]
    needed = [each for each in decided.refusals if each.code == "needed-by-others"]
    if foreign:
        raise _not_owner(decided, foreign, [_need(conn, each) for each in needed])
    if decided.unreachable:
        raise permission_denied(decided.unreachable, decided.role, decided.database)
    if needed:
        raise _needed_by_others(conn, decided, needed)


def permission_denied(schemas: Sequence[str], role: str, database: str) -> faults.DatabaseFault:
    """The fault for schemas that a role may not use or create in.

    Args:
        schemas, role, database: as SQL writes them.
    """
    several = len(schemas) > 1
    return faults.DatabaseFault(
        "permission-denied",
        f"permission denied for schema{'s' if several else ''} {', '.join(schemas)}: role {role} has no right to "
        f"{'them' if several else 'it'} in database {database}",
        f"as the owner of the schema{'s' if several else ''} or a superuser: "
        f"{' '.join(_grant(each, role) for each in schemas)} (or: ALTER DATABASE {database} OWNER TO {role};)",
        data={"schemas": list(schemas), "role": role, "database": database},
    )


def _grant(schema: str, role: str) -> str:
    return f"GRANT ALL PRIVILEGES ON SCHEMA {schema} TO {role};"


def _not_owner(
    decided: reset_plan.Plan, foreign: Sequence[objects.Object], needs: Sequence[str]
) -> faults.RefusedFault:
    """All that is in the way, other roles' needs and rights on schemas included: who mends one should not meet the next."""
    role, owners = decided.role, sorted({each.owner for each in foreign})
    lines = [f"ALTER {each.word} {each.name} OWNER TO {role};" for each in foreign]
    lines += [_grant(each, role) for each in decided.unreachable]
    memberships = " ".join(f"GRANT {each} TO {role};" for each in owners)
    remarks = [f"-- {each}: drop that first, if it can go" for each in needs]
    if len(lines) + len(remarks) == 1:
        mend = f"as a superuser (or who administers role {owners[0]}): {lines[0]}  or: {memberships}"
    else:
        mend = f"as a superuser: each line below; or, instead of changing owners: {memberships}"
    return faults.RefusedFault(
        "not-owner",
        f"{_belonging(decided.database, foreign)}; role {role} may not drop what is not its own"
        + (f", and has no right to schema {', '.join(decided.unreachable)}" if decided.unreachable else ""),
        mend,
        detail="\n".join([*lines, *remarks]) if len(lines) + len(remarks) > 1 else "",
        data={
            "objects": [{"object": str(each), "owner": each.owner} for each in foreign],
            "schemas": list(decided.unreachable),
            "role": role,
            "statements": lines,
            "dependants": list(needs),
        },
    )


def _belonging(database: str, foreign: Sequence[objects.Object]) -> str:
    first, *others = foreign
    parts = [f"{first} in database {database} belongs to role {first.owner}"]
    parts += [f"{each} to {each.owner}" for each in others[: _SHOWN - 1]]
    more = len(foreign) - len(parts)
    return ", ".join(parts) + (f", and {more} more" if more > 0 else "")


def _needed_by_others(
    conn: sqlalchemy.engine.Connection, decided: reset_plan.Plan, refusals: Sequence[reset_plan.Refusal]
) -> faults.RefusedFault:
    needs = [_need(conn, each) for each in refusals]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return faults.RefusedFault(
        "needed-by-others",
        f"in database {decided.database}, {needs[0]}{more}: dropping it would take that along",
        f"drop what needs it first, if it can go ({_drop_line(refusals[0], needs[0])}), or move it elsewhere;"
        " if it belongs to this service, declare its schema under `schemas:` of the service",
        detail="\n".join(needs),
        data={"dependants": needs},
    )


def _need(conn: sqlalchemy.engine.Connection, refusal: reset_plan.Refusal) -> str:
    by, part = refusal.by, refusal.part
    if by is None or part is None:
        return str(refusal.what)
    through = "" if part == by.id else f" (its {objects.subject(conn, part)})"
    return f"{by} of role {by.owner}{through} needs {refusal.what}"


def _drop_line(refusal: reset_plan.Refusal, fact: str) -> str:
    by = refusal.by
    if by is not None and by.word == "TABLE" and "table constraint " in fact:
        name = fact.partition("table constraint ")[2].partition(" on ")[0]
        return f"ALTER TABLE {by.name} DROP CONSTRAINT {name};"
    return f"DROP {by.word} {by.name};" if by is not None else ""
