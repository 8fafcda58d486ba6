"""Text that must not be seen: its string form is masked, and taking the mask off is one visible call."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """A secret text. `str`, `repr`, formatting and JSON show the mask."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def unmask(self) -> str:
        """The text itself: for the door that hands it on, and nothing else."""
        return self._text

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __format__(self, specification: str) -> str:
        return format("***", specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
