"""Who owns which field: `managedFields`, and server-side apply on top of it.

Ownership is kept per leaf, as the API server does: members of objects, items of lists that are maps (by their keys) or
sets, and whole lists and maps that are atomic. Conflicts are real: a field that another manager set and that an apply
would change is refused unless forced; what a manager no longer applies, and nobody else owns, is removed. Not done:
ownership of the status, versions other than the served one, `kubectl apply`'s client-side migration.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from tests.support.cluster import fieldsets, schemas, statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.fieldsets import Fields
from tests.support.cluster.store import Object, now

__all__ = ["applied", "note_change", "note_creation"]

Owners = dict[tuple[str, str], Fields]


def note_creation(call: Call, body: Object, asked: Object, operation: str) -> None:
    """Whoever creates an object owns what it said."""
    owners: Owners = {(call.manager, operation): fieldsets.of(asked, schemas.of(call.resource))}
    _write(call, body, owners)


def note_change(call: Call, before: Object, after: Object) -> None:
    """An update or patch owns what it changed, and takes it from others."""
    schema = schemas.of(call.resource)
    old, new = fieldsets.of(before, schema), fieldsets.of(after, schema)
    changed = {path for path in new if path not in old or fieldsets.at(before, path) != fieldsets.at(after, path)}
    owners = _read(before)
    for who in owners:
        owners[who] = (owners[who] - changed) & new if changed or new != old else owners[who]
    if changed:
        mine = (call.manager, "Update")
        owners[mine] = owners.get(mine, set()) | changed
    _write(call, after, owners, before)


def applied(call: Call, before: Object, wanted: Object) -> Object:
    """The object after server-side apply of `wanted`. Raises `Refused` (409) for conflicts."""
    schema = schemas.of(call.resource)
    owners = _read(before)
    mine = (call.manager, "Apply")
    fields = fieldsets.of(wanted, schema)
    others = {who: owned for who, owned in owners.items() if who != mine}
    changes = {path for path in fields if path[-1] != "." and fieldsets.at(before, path) != fieldsets.at(wanted, path)}
    contested = {who: owned & changes for who, owned in others.items() if owned & changes}
    if contested and not call.query.flag("force"):
        raise _conflict(call, contested)
    for who, taken in contested.items():
        owners[who] = owners[who] - taken
    after = fieldsets.merged(copy.deepcopy(before), wanted, schema)
    held = set().union(*others.values()) if others else set()
    # Items before their members: an item that has lost its key can't be found any more.
    for path in sorted(owners.get(mine, set()) - fields - held, key=lambda path: (path[-1] != ".", -len(path))):
        fieldsets.remove(after, path)
    owners[mine] = fields
    _write(call, after, owners, before)
    return after


def _conflict(call: Call, contested: Mapping[tuple[str, str], Fields]) -> statuses.Refused:
    causes = []
    for (who, operation), paths in contested.items():
        using = f'conflict with "{who}"' + (f" using {call.resource.group_version}" if operation == "Update" else "")
        causes += [
            {"reason": "FieldManagerConflict", "message": using, "field": fieldsets.shown(path)}
            for path in sorted(paths)
        ]
    many = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    told = "; ".join(f"{each['message']}: {each['field']}" for each in causes)
    return statuses.conflict(call.resource, call.name, f"Apply failed with {many}: {told}", causes)


def _read(body: Object) -> Owners:
    return {
        (each["manager"], each["operation"]): fieldsets.parsed(each["fieldsV1"])
        for each in body["metadata"].get("managedFields") or ()
    }


def _write(call: Call, body: Object, owners: Owners, before: Object | None = None) -> None:
    """Entries in the order of the API server's; the time of one that has not changed stays."""
    known = {
        (each["manager"], each["operation"]): each
        for each in (before["metadata"].get("managedFields") if before else None) or ()
    }
    entries = []
    for (manager, operation), fields in owners.items():
        if not fields:
            continue
        nested = fieldsets.nested(fields)
        old = known.get((manager, operation))
        same = old is not None and old["fieldsV1"] == nested
        entries.append(
            {
                "manager": manager,
                "operation": operation,
                "apiVersion": call.resource.group_version,
                "time": old["time"] if same and old else now(),
                "fieldsType": "FieldsV1",
                "fieldsV1": nested,
            }
        )
    body["metadata"]["managedFields"] = entries
