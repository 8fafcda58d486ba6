"""An image that lacks revisions which the one who asks has is refused: it would bring the database to an older state.

Most often the migration files were not copied into the image, or it was not built anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import facts, faults
from ..projects import locations

__all__ = ["VARIABLE", "refuse"]

VARIABLE = "STILLROOM_EXPECTED_HEADS"
"""Revisions that the image has to know, joined by commas; `invoke apply --via job` sets it."""


def refuse(service: facts.ServiceFacts, said: Mapping[str, str]) -> None:
    """Refuses, where the environment names revisions that the image does not have; no database is asked.

    Raises:
        faults.RefusedFault: `image-lacks-revision`.
        faults.ProjectFault: the history can't be read.
    """
    wanted = [each.strip() for each in said.get(VARIABLE, "").split(",") if each.strip()]
    if not wanted:
        return
    from ..verifying import expected

    where = locations.of(service)
    image = expected.of_folders(where.version_locations, recursive=where.recursive, where=where, told=lambda: service)
    missing = [each for each in wanted if each not in image.links]
    if not missing:
        return
    has = f"{image.count} revisions (heads: {', '.join(image.heads)})" if image.count else "no revision at all"
    raise faults.RefusedFault(
        "image-lacks-revision",
        f"{service.name}: this image lacks revision {', '.join(missing)}, and has {has}",
        "copy the migrations into the image (its Dockerfile), build and push it, and name that one; or, if an older state "
        "is meant, --allow-stale-image",
        data={"missing": missing, "heads": list(image.heads)},
    )
