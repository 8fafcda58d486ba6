"""Whether a baseline may stand: what it does, what it leads to, what it leaves out. Facts in, a fault out. Pure."""

from __future__ import annotations

from .. import facts, faults
from ..schema import catalog
from . import draft, loss

__all__ = ["baseline", "loss_refusal", "outcome", "short_enough"]

_LISTED = 8


def baseline(service: facts.ServiceFacts, made: draft.Draft, room: int) -> None:
    """Holds what a baseline does against what it starts from: an empty database.

    Args:
        service: whose it is.
        made: the baseline.
        room: characters that the version table holds (see `version_width.room`).

    Raises:
        faults.JudgedFault: `drop-in-baseline`, `empty-baseline`, `id-too-long`.
    """
    if made.drops:
        raise faults.JudgedFault(
            "drop-in-baseline",
            f"{service.name}: the baseline would drop {made.drops[0]}, though it starts from an empty database",
            "look for a process_revision_directives hook or an include_object that turns operations around",
            data={"drops": made.drops},
        )
    if made.empty or not made.operations:
        raise faults.JudgedFault(
            "empty-baseline",
            f"{service.name}: the metadata holds {len(made.metadata_tables)} tables, but the baseline is empty",
            "env.py leaves them out: look at include_object, include_name, include_schemas "
            "and process_revision_directives there",
            data={"tables": made.metadata_tables},
        )
    short_enough(service, made.revision, room)


def short_enough(service: facts.ServiceFacts, revision: str, room: int) -> None:
    """Holds an id against what the version table has room for.

    Raises:
        faults.JudgedFault: `id-too-long`.
    """
    if len(revision) > room:
        raise faults.JudgedFault(
            "id-too-long",
            f"{service.name}: the revision id {revision} has more than {room} characters",
            "the version table holds no more: shorten the ids that a hook in env.py gives, or widen its column "
            "(see version_width: in services.yaml)",
        )


def outcome(service: facts.ServiceFacts, made: catalog.Snapshot) -> None:
    """Holds the schemas that tables ended up in against those that the registry declares.

    Raises:
        faults.JudgedFault: `foreign-tables`.
    """
    if service.schemas is None:
        return
    declared = {(schema,) for schema in service.schemas}
    foreign = [item.name for item in made.all if item.kind == "table" and catalog.key(item.schema) not in declared]
    if foreign:
        raise faults.JudgedFault(
            "foreign-tables",
            f"{service.name}: its baseline makes {foreign[0]}, outside of the schemas that it owns "
            f"({', '.join(service.schemas)})",
            "leave the table to its owner (include_object or include_name in env.py, or take the model out), "
            "or add its schema to schemas: in services.yaml",
            data={"tables": foreign},
        )


def loss_refusal(service: str, left: loss.Loss) -> faults.RefusedFault:
    """The refusal of a baseline that lacks what the old history makes: every name, and both ways on."""
    names = left.names
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    accept = " ".join(f"--accept-loss '{name}'" for name in names) if len(names) <= _LISTED else "--accept-loss '*'"
    return faults.RefusedFault(
        "would-lose",
        f"{service}: the baseline lacks what the old history makes: {names[0]}{more}",
        f"--carry-over puts {'them' if more else 'it'} into the baseline; {accept} gives {'them' if more else 'it'} up",
        detail="\n".join(
            [
                *left.lines,
                *(f"- data {table}: {count} row{'s' if count != 1 else ''}" for table, count in left.rows.items()),
                *(f"- {each.replace(':', ' ', 1)}" for each in left.said),
            ]
        ),
        data={"names": names},
    )
