"""`invoke database`: the embedded database beside the commands that use it by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stillroom.tasks.command import Call, command

from stillroom import errors

if TYPE_CHECKING:
    from stillroom.embedded import server

__all__ = ["database"]


@command(
    "database",
    options={
        "start": "Start the embedded database and keep it running until --stop.",
        "stop": "Stop it, as soon as no command uses it.",
        "urls": "Print the services' URLs as export lines (with --json: an object); implies --start.",
        "driver": "DRIVER: what stands before :// in the URLs (default: as each service connects); `postgresql` suits psql.",
    },
)
def database(call: Call, start: bool = False, stop: bool = False, urls: bool = False, driver: str = "") -> None:
    """Show, start or stop the embedded database, or print its URLs for your shell.

    Commands start it when they need it and stop it when the last of them is done; this keeps it for psql or a service.

    Example: eval "$(invoke database --urls)"
    """
    from stillroom.embedded import server

    if stop and (start or urls):
        raise errors.UsageError("--stop was given together with --start or --urls", "give one of them")
    if urls:
        _print_urls(call, driver)
    elif start:
        _print_status(call, server.start(call.fleet.state))
    elif stop:
        _print_status(call, server.stop(call.fleet.state))
    else:
        _print_status(call, server.status(call.fleet.state))


def _print_urls(call: Call, driver: str) -> None:
    from stillroom.embedded import export, server

    if call.environment.database != "embedded":
        raise errors.UsageError(
            f"environment {call.environment.name} does not use the embedded database: its databases are real servers",
            "name an environment that has `database: embedded` with --environment",
        )
    with server.running(call.fleet.state) as embedded:
        server.start(call.fleet.state)
        embedded.ensure(service.database for service in call.services)
        found = export.urls(call.services, embedded.url, driver)
    if call.json:
        call.answer(found)
        return
    print("\n".join(export.export_lines(found)))


def _print_status(call: Call, status: server.Status) -> None:
    if call.json:
        call.answer(status.to_dict())
        return
    for line in status.lines():
        print(line)
