"""Prints the Secrets of the example fleet, with fresh passwords: of the PostgreSQL for trying out, and a URL a service.

    python examples/bakery/cluster/make_secrets.py | kubectl --namespace bakery-staging create -f -

`create`, and not `apply`: a second run must not take the passwords away from a server that has them already. Real secrets
come from where yours are kept; services and migration Jobs only want the key `url` in a Secret called `<service>-database`.
"""

from __future__ import annotations

import json
import sys
from secrets import token_urlsafe

if __package__:
    from .write import services
else:
    from write import services

DATABASES = {"pos": "shopfloor", "orders": "shopfloor"}
"""Service to its database, where that has another name than the service."""


def secret(name: str, values: dict[str, str]) -> dict[str, object]:
    """An object of the kind Secret, without a namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "bakery"}},
        "type": "Opaque",
        "stringData": values,
    }


def secrets(names: list[str], server: str = "postgres:5432") -> dict[str, object]:
    """A List of them. `server` is where pods find the PostgreSQL: host and port."""
    password = token_urlsafe(24)
    items = [secret("postgres", {"postgres-password": token_urlsafe(24), "bakery-password": password})]
    for name in names:
        url = f"postgresql://bakery:{password}@{server}/{DATABASES.get(name, name)}"
        items.append(secret(f"{name}-database", {"url": url}))
    return {"apiVersion": "v1", "kind": "List", "items": items}


if __name__ == "__main__":
    json.dump(secrets(services(), *sys.argv[1:2]), sys.stdout, indent=2)
