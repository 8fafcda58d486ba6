"""`invoke services`: what the registry says."""

from __future__ import annotations

import os
from pathlib import Path

from stillroom.tasks.command import Call, command

__all__ = ["services"]


@command("services", options={})
def services(call: Call) -> None:
    """List the fleet as services.yaml declares it.

    Example: invoke services --environment staging
    """
    found = call.services
    environment = call.environment
    if call.json:
        call.answer(
            {
                "command": "services",
                "environment": environment.name,
                "services": [
                    {
                        "name": each.name,
                        "path": str(each.path),
                        "url_variable": each.url_variable,
                        "url_source": each.url_source,
                        "database": each.database,
                        "schemas": list(each.schemas) if each.schemas is not None else None,
                        "after": list(each.after),
                        "target": environment.target,
                        "namespace": each.namespace,
                        "workload": each.workload,
                        "container": each.container,
                    }
                    for each in found
                ],
            }
        )
        return
    from stillroom.people import tables

    folders = [_relative(each.path, call.fleet.root) for each in found]
    parents = {str(Path(folder).parent) for folder in folders}
    # Most fleets name a folder as its service: said once, that leaves room for what differs.
    alike = len(parents) == 1 and all(each.path.name == each.name for each in found)
    rows = [
        [
            each.name,
            *([] if alike else [folder]),
            each.url_source,
            each.database + (f" ({', '.join(each.schemas)})" if each.schemas else ""),
            ", ".join(each.after) or "-",
        ]
        for each, folder in zip(found, folders, strict=True)
    ]
    protected = ", protected" if environment.protected else ""
    where = f"environment {environment.name} (target {environment.target}{protected})"
    title = f"{tables.counted(len(rows), 'service')}, {where}"
    if alike:
        title += f"\neach in {Path(parents.pop(), 'NAME')}"
    headers = ["service", *([] if alike else ["folder"]), "URL from", "database", "after"]
    tables.show(headers, rows, title=title)


def _relative(path: object, root: object) -> str:
    return os.path.relpath(str(path), str(root))
