"""A URL as the variables of libpq: for programs that are told of a database by nothing else."""

from __future__ import annotations

from . import destination, urls

__all__ = ["NAMES", "variables"]

# Options that decide where a connection leads, and as what, with libpq's variable for each.
_OPTIONS = {
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}

NAMES = frozenset(
    {
        "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE",
        "PGSYSCONFDIR", "PGSSLMODE", *_OPTIONS.values(),
    }
)  # fmt: skip
"""What decides where libpq connects, and as whom."""


def variables(url: str, application_name: str) -> dict[str, str]:
    """The connection as libpq's variables, its password among them: for the environment of a program, never its arguments.

    Args:
        url: with whichever spelling of options; several hosts stay several.
        application_name: what `pg_stat_activity` shows.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    parsed = urls.parse(url)
    pairs = destination.endpoints(parsed)
    found = {
        "PGHOST": ",".join(host for host, _ in pairs),
        "PGPORT": ",".join(str(port) for _, port in pairs),
        "PGDATABASE": destination.database(parsed),
        "PGUSER": destination.user(parsed),
        "PGAPPNAME": application_name,
    }
    password = parsed.password if parsed.password is not None else parsed.query.get("password")
    if password is not None:
        found["PGPASSWORD"] = str(password)
    ssl_mode = parsed.query.get("sslmode") or parsed.query.get("ssl")
    if isinstance(ssl_mode, str) and ssl_mode not in ("true", "false"):
        found["PGSSLMODE"] = ssl_mode
    given = {variable: parsed.query.get(option) for option, variable in _OPTIONS.items()}
    return found | {variable: value for variable, value in given.items() if isinstance(value, str) and value}
