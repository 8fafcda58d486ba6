"""What is wrong with manifests: collected, and told at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from stillroom import errors

__all__ = ["ManifestsWrong", "Problem", "raise_if_any"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: its kind, stable.
        where: a service, an object, a template.
        text: what is wrong; never a secret.
        mend: what to do.
    """

    code: str
    where: str
    text: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text} [{self.code}]\n  → {self.mend}"


class ManifestsWrong(errors.UsageError):
    """What was rendered can't be used; nothing was written."""

    code = "manifests-wrong"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        count = len(self.problems)
        shown = self.problems[:_MOST]
        more = [f"… and {count - _MOST} more"] if count > _MOST else []
        super().__init__(
            f"the manifests have {count} mistake{'' if count == 1 else 's'}; nothing was written",
            "correct what is listed above, and render again",
            detail="\n".join([*map(str, shown), *more]),
        )
        self.data = {"problems": [dataclasses.asdict(each) for each in self.problems]}


_MOST = 40


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raises what was found.

    Raises:
        ManifestsWrong: something was.
    """
    found = list(problems)
    if found:
        raise ManifestsWrong(found)
