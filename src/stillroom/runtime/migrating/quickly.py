"""Nothing to do, found without Alembic and SQLAlchemy: what a Job mostly finds when it is started again.

One connection and one statement, that of `verify --deep`. Whatever is not plainly at head is left to the whole way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import facts, faults
from . import settings

if TYPE_CHECKING:
    from ..verifying.verdict import Verdict

__all__ = ["at_head"]


def at_head(
    service: facts.ServiceFacts, wanted: settings.Settings, environ: Mapping[str, str] | None = None
) -> Verdict | None:
    """The verdict on a database where nothing is to be done; None where that takes a closer look.

    Args:
        service: whose; of one with a declared role of its own the rights are to be looked at, too.
        wanted: what is asked for.
        environ: with the URL.
    """
    if wanted.to != "heads" or wanted.repair or service.service_role is not None:
        return None
    from ..verifying import expected, verification

    said = os.environ if environ is None else environ
    url = _url(service, said)
    if not url:
        return None
    try:
        image = expected.expected(
            service.config,
            service=service.name,
            version_table=service.version_table,
            version_schema=service.version_table_schema,
            schemas=service.schemas,
        )
        if len(image.heads) != service.heads:
            return None
        found = verification.verify(url, image, deep=True, ledger=True)
    except faults.Fault:  # what is wrong is told by the whole way
        return None
    return found if _settled(found) else None


def _url(service: facts.ServiceFacts, said: Mapping[str, str]) -> str | None:
    if service.given_url_variable or not service.url:
        return said.get(service.given_url_variable or service.url_variable)
    from ..verifying import url_parts

    return url_parts.url(service.url["variables"], said)


def _settled(found: Verdict) -> bool:
    """At head, by a run that came to its end; a schema that differs from what it left is no matter of migrations."""
    from ..verifying import verdict

    if found.state not in (verdict.AT_HEAD, verdict.DRIFTED) or found.current != found.heads:
        return False
    return found.run is not None and found.run["outcome"] != "running"
