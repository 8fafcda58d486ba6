"""What a migration Job costs that has nothing to do, as most have: ours against `alembic upgrade head`."""

from __future__ import annotations

import sys

from stillroom.embedded import server
from tests.bench import fleets, meter, processes

__all__ = ["nothing_to_do"]

_DATABASE = "bench_migrate"
_REVISION = '''"""The whole schema."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    from alembic import op

    op.execute("CREATE TABLE thing (id integer PRIMARY KEY)")
'''


def nothing_to_do(
    fleet: fleets.Fleet, embedded: server.Embedded, clock: meter.Meter, rounds: int
) -> tuple[meter.Series, meter.Series]:
    """Both on the same database at head, in turns, after one run of each that does not count.

    Args:
        fleet: its first service is the one; its models and `env.py` are what it has.
        embedded: where its database is made.
        clock: of that server.
        rounds: how many runs of each.
    """
    service = fleet.services[0]
    service.empty_versions()
    (service.versions / "0001_.py").write_text(_REVISION, encoding="utf-8")
    embedded.ensure([_DATABASE])
    url = {service.variable: embedded.url(_DATABASE)}
    contenders = {
        "alembic upgrade head": [processes.program("alembic"), "upgrade", "head"],
        "python -m stillroom.runtime migrate": [sys.executable, "-P", "-m", "stillroom.runtime", "migrate"],
    }
    processes.run(contenders["python -m stillroom.runtime migrate"], service.folder, url)
    found = {name: meter.Series(name) for name in contenders}
    for number in range(rounds + 1):
        for name, arguments in contenders.items():
            sample = clock.run(lambda each=arguments: processes.run(each, service.folder, url))
            if number:
                found[name].samples.append(sample)
    plain, ours = found.values()
    return plain, ours
