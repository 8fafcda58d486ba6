"""What revisions do that works today and may not tomorrow: imports of the application, downgrades that are none.

One finding for each habit, not one for each file: what a history of 300 revisions does everywhere is one decision.
Habits that most real histories have are notes, not warnings: a warning that nearly everybody gets is read by nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import revision_body, revision_problem
from .revision_file import Revision
from .revision_graph import Graph
from .revision_problem import Problem

__all__ = ["application", "count", "problems"]

_SHOWN = 3

Place = tuple[str, int]  # a file and a line in it


def problems(graph: Graph, is_application: Callable[[str], bool]) -> list[tuple[Problem, list[Place]]]:
    """What there is to say of the revisions that could be read, each with the places.

    Args:
        graph: the history.
        is_application: whether a module (`app.models`) is the service's own; see `application`.
    """
    read = [each for each in graph.revisions if "outline" in each.__dict__ or each.body_problem() is None]
    found = [_imports(read, is_application), *_downgrades(read), *_upgrades(read)]
    return [each for each in found if each is not None]


def application(roots: Iterable[Path]) -> Callable[[str], bool]:
    """Tells whether a module lies in one of these folders: the service's own code, not what is installed."""
    folders = list(dict.fromkeys(roots))
    known: dict[str, bool] = {}

    def is_application(module: str) -> bool:
        top = module.split(".")[0]
        if not top:
            return True  # `from . import helper`
        if revision_body.is_known_module(top):
            return False
        if top not in known:
            known[top] = any((each / f"{top}.py").is_file() or _is_package(each / top) for each in folders)
        return known[top]

    return is_application


def count(graph: Graph) -> dict[str, int]:
    """How often each kind of operation stands in `upgrade`, the commonest first."""
    kinds = Counter(
        operation.name for each in graph.revisions if "outline" in each.__dict__ for operation in each.outline.upgrade
    )
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.py"))


def _imports(read: Sequence[Revision], is_application: Callable[[str], bool]) -> tuple[Problem, list[Place]] | None:
    places: list[Place] = []
    modules: Counter[str] = Counter()
    for each in read:
        found = [one for one in each.outline.imports if is_application(one.module)]
        modules.update({one.module for one in found})
        places += [(each.path, one.line) for one in found[:1]]
    if not places:
        return None
    named = [module for module, _ in modules.most_common(_SHOWN)]
    more = [f"{len(modules) - _SHOWN} more"] if len(modules) > _SHOWN else []
    message = (
        f"{len(places)} of {_revisions(len(read))} import{'s' if len(places) == 1 else ''} the application "
        f"({revision_problem.listed([*named, *more])}): what was right when it was written changes with it, and each "
        "start imports it."
    )
    mend = (
        "Write what they need of it into the file: `sa.table(...)`, `sa.column(...)`, the values of an enum; "
        "nothing has to be done about those that are applied everywhere."
    )
    return Problem("imports-application", message, mend, severity="note"), places


def _downgrades(read: Sequence[Revision]) -> Iterable[tuple[Problem, list[Place]]]:
    missing = [each for each in read if each.outline.downgrade_state == "missing"]
    if missing:
        yield _about(
            "no-downgrade",
            f"{len(missing)} of {_revisions(len(read))} {_have(missing)} no `downgrade`: {_named(missing)}.",
            "Add `def downgrade() -> None:`, and `raise NotImplementedError` in it if there is no way back.",
            missing,
        )
    empty = [each for each in read if each.outline.downgrade_state == "empty" and each.outline.upgrade]
    if empty:
        yield _about(
            "empty-downgrade",
            f"{len(empty)} of {_revisions(len(read))} {_change(empty)} something, and {_have(empty)} a `downgrade` that "
            f"does nothing: {_named(empty)}; going back passes over them as if they were undone.",
            "Undo there what `upgrade` does, or `raise NotImplementedError`: a way back that is none says so then.",
            empty,
        )


def _upgrades(read: Sequence[Revision]) -> Iterable[tuple[Problem, list[Place]]]:
    lost = [each for each in read if each.outline.upgrade_state == "empty" and each.outline.downgrade]
    if lost:
        yield _about(
            "empty-upgrade",
            f"{len(lost)} of {_revisions(len(read))} {_have(lost)} an `upgrade` that does nothing, and a `downgrade` "
            f"that does: {_named(lost)}.",
            "Find out what `upgrade` was to do; if nothing, empty `downgrade`, too.",
            lost,
        )


def _about(code: str, message: str, mend: str, found: Sequence[Revision]) -> tuple[Problem, list[Place]]:
    name = "upgrade" if code == "empty-upgrade" else "downgrade"
    places = [(each.path, _line(each, f"def {name}")) for each in found]
    return Problem(code, message, mend, severity="note" if code == "empty-downgrade" else "warning"), places


def _line(revision: Revision, text: str) -> int:
    before, there, _ = revision.source.partition(text.encode())
    return before.count(b"\n") + 1 if there else 1


def _revisions(number: int) -> str:
    return f"{number} revision{'' if number == 1 else 's'}"


def _change(found: Sequence[Revision]) -> str:
    return "changes" if len(found) == 1 else "change"


def _have(found: Sequence[Revision]) -> str:
    return "has" if len(found) == 1 else "have"


def _named(found: Sequence[Revision]) -> str:
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return revision_problem.listed([*(each.name for each in found[:_SHOWN]), *more])
