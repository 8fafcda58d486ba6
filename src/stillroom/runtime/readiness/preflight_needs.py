"""Preflight: what the history's SQL needs of the servers that it runs on. Pure: what was seen in, findings out."""

from __future__ import annotations

from typing import Any

from ..connections import sqltext
from ..reading import revision_needs
from . import preflight_rights
from .preflight_findings import Findings

__all__ = ["judge"]

_SHOWN = 5


def judge(
    found: Findings,
    facts: dict[str, Any],
    needs: revision_needs.Needs,
    scratch: preflight_rights.Scratch,
    *,
    bootstrapped: bool = False,
) -> None:
    """Whether the roles that revisions name are there; on another server of scratch databases the extensions, too.

    Args:
        found: the findings go here.
        facts: of `preflight_state.sql`.
        needs: what the history needs.
        scratch: where scratch databases are made; a server of their own has roles and extensions of its own.
        bootstrapped: whether something runs before the first revision, which may make them.
    """
    where = f"the server of database {facts['database']}"
    missing = _judge_roles(found, needs, frozenset(facts["roles"]), where, bootstrapped)
    apart = "the server of its scratch databases"
    if scratch.roles is not None:
        missing |= _judge_roles(found, needs, scratch.roles | missing, apart, bootstrapped)
    if needs.roles and not missing:
        names = sorted(needs.roles)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        found.ok("roles", f"{', '.join(names[:_SHOWN])}{more}: there, as the history needs", roles=names)
    for name, place in sorted(needs.extensions.items()):
        if scratch.extensions is not None and name not in scratch.extensions and name in facts["extensions"]:
            found.error(
                "extensions",
                f"extension {name} ({place}) is not available on {apart}",
                f"install it there, or make scratch databases beside the service's own: ALTER ROLE "
                f"{sqltext.as_written(facts['role'])} CREATEDB; without scratch: and scratch_url_variable:",
                code="extension-missing",
                extension=name,
            )


def _judge_roles(
    found: Findings, needs: revision_needs.Needs, there: frozenset[str], where: str, bootstrapped: bool
) -> frozenset[str]:
    missing = sorted(needs.roles.keys() - there)
    for name in missing:
        say = found.warning if bootstrapped else found.error
        say(
            "roles",
            f"role {name} ({needs.roles[name]}) does not exist on {where}",
            f"CREATE ROLE {sqltext.as_written(name)}; (there, once, by a role with CREATEROLE), or let the revision make "
            "it where it is not there",
            code="role-missing",
            role=name,
        )
    return frozenset(missing)
