"""In which state a database is, against the revisions of the code. Pure: decided on the graph and on sets of revisions.

unreachable     the database could not be asked
no_migrations   the code holds no revision
empty           no revision is noted, and the service has no table
unversioned     no revision is noted (no version table, or no row in it), but the service has tables
at_head         everything that the code has is applied, and nothing else is noted
behind          everything noted is known, and the code has more
ahead           revisions are noted that the code does not have, and nothing of the code is known to be pending
diverged        both at once: noted revisions are unknown and known ones are pending; or two noted revisions of which
                one contains the other, which Alembic never writes

Ahead or diverged, exactly: a row of the version table is replaced as soon as a child of it is applied. So a noted
revision that has children in the code proves that those are pending, whatever the unknown rows hold: `diverged`. Where
each noted revision that the code knows is one of its heads (or the code knows none of them), the unknown rows may well
contain the rest, as a merge or a newer release does: `ahead`. A history that was replaced looks `ahead`, too: only
somebody who has the other files could tell. What follows from `ahead` is a policy, and not decided here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from ..reading import revision_graph
from ..schema import invalid_indexes
from ..states import AHEAD, AT_HEAD, BEHIND, DIVERGED, EMPTY, NO_MIGRATIONS, UNREACHABLE, UNVERSIONED

__all__ = [
    "AHEAD",
    "AT_HEAD",
    "BEHIND",
    "DIVERGED",
    "EMPTY",
    "NO_MIGRATIONS",
    "STATES",
    "UNREACHABLE",
    "UNVERSIONED",
    "Observed",
    "Standing",
    "decide",
    "rows_after",
]


STATES = (AT_HEAD, BEHIND, AHEAD, DIVERGED, EMPTY, UNVERSIONED, UNREACHABLE, NO_MIGRATIONS)


@dataclasses.dataclass(frozen=True)
class Observed:
    """What a database says.

    Attributes:
        applied: the rows of the version table; None: there is no version table.
        tables: how many tables of the service there are, the version table left out.
        schema: that the version table is in, or would be made in where it names none.
        invalid: indexes of the service that are INVALID; they say nothing about the state.
    """

    applied: frozenset[str] | None
    tables: int
    schema: str = "public"
    invalid: tuple[invalid_indexes.Index, ...] = ()


@dataclasses.dataclass(frozen=True)
class Standing:
    """A state, with what it was decided on.

    Attributes:
        state: one of `STATES`.
        applied: the rows of the version table, sorted.
        heads: what the rows are when everything of the code is applied, sorted.
        pending: revisions of the code that are not applied, in the order in which they can be; of an unversioned or
            unreachable database all, since none is known to be applied.
        unknown: noted revisions that the code does not have, sorted.
        overlapping: noted revisions that another noted one contains, sorted.
    """

    state: str
    applied: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    overlapping: tuple[str, ...] = ()


def decide(graph: revision_graph.Graph, observed: Observed | None) -> Standing:
    """The state of a database.

    Args:
        graph: the revisions of the code.
        observed: what the database says; None: it could not be asked.
    """
    heads = tuple(sorted(graph.effective_heads))
    everything = tuple(each.id for each in graph.ordered())
    if observed is None:
        return Standing(UNREACHABLE, (), heads, everything)
    rows = frozenset(observed.applied or ())
    known = rows & graph.by_id.keys()
    unknown = tuple(sorted(rows - known))
    if not graph.revisions:
        return Standing(NO_MIGRATIONS, tuple(sorted(rows)), unknown=unknown)
    if not rows:
        return Standing(UNVERSIONED if observed.tables else EMPTY, (), heads, everything)
    contained = graph.ancestors(known)
    pending = tuple(each for each in everything if each not in contained)
    overlapping = tuple(sorted(_overlapping(graph, known)))
    state = _with_rows(graph, known, pending, unknown, overlapping)
    return Standing(state, tuple(sorted(rows)), heads, pending, unknown, overlapping)


def _with_rows(
    graph: revision_graph.Graph,
    known: frozenset[str],
    pending: Collection[str],
    unknown: Collection[str],
    overlapping: Collection[str],
) -> str:
    if overlapping:
        return DIVERGED
    if not unknown:
        return BEHIND if pending else AT_HEAD
    surely_pending = any(each.id in pending and known & set(graph.parents(each)) for each in graph.revisions)
    return DIVERGED if surely_pending else AHEAD


def _overlapping(graph: revision_graph.Graph, known: Collection[str]) -> Iterable[str]:
    """Rows below other rows by `down_revision`; one below another by `depends_on` alone is left there by Alembic."""
    return {each for each in known for other in known if each != other and each in graph.line(other)}


def rows_after(graph: revision_graph.Graph, applied: Collection[str], target: Collection[str]) -> tuple[str, ...]:
    """The rows of the version table after these revisions were upgraded to `target`, sorted.

    Args:
        graph: the revisions of the code.
        applied: the rows before, each known to the code.
        target: ids of revisions to upgrade to, with all that must be applied before them.
    """
    contained = graph.ancestors({*applied, *target})
    replaced = {parent for each in contained for parent in graph.parents(graph.by_id[each])}
    return tuple(sorted(contained - replaced))
