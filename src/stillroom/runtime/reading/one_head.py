"""Why a history with branches by design gets no baseline. Pure; both sides say it."""

from __future__ import annotations

from collections.abc import Sequence

from .. import faults

__all__ = ["refusal"]


def refusal(service: str, declared: int, heads: Sequence[str]) -> faults.RefusedFault | None:
    """A baseline is one revision: branches that the registry declares would be gone.

    Args:
        service: its name.
        declared: how many heads services.yaml says that its history has.
        heads: those that it has; none where that is not known.
    """
    if declared == 1:
        return None
    join = f"join them (alembic merge -m join {' '.join(sorted(heads))}) and " if len(heads) > 1 else ""
    return faults.RefusedFault(
        "baseline-has-one-head",
        f"{service}: services.yaml declares heads: {declared}, and a baseline is one revision with one head",
        f"to keep the branches, add to one of them: invoke revision --service {service} --head BRANCH; "
        f"to have one line from now on, {join}declare heads: 1",
        data={"heads": sorted(heads)},
    )
