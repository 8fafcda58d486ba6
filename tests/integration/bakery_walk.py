"""Walks through services of the example fleet on real databases. A script: see test_bakery_services.

Reads `{service: URL}` as JSON on standard input; writes one JSON line a service: its name, and the traceback if something
was not as it should be. Each service's package is called `app`, so each runs in a fork of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import fastapi
import pgvector.sqlalchemy  # noqa: F401  (imported once, before the forks, as is the next)
import sqlalchemy as sa
import sqlalchemy.dialects.postgresql.asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

FLEET = Path(__file__).parents[2] / "examples" / "bakery"
TENANT = str(uuid.uuid4())

Call = Callable[..., Awaitable[Any]]


def main() -> None:
    """One service after the other."""
    for service, url in json.load(sys.stdin).items():
        if (child := os.fork()) == 0:
            try:
                problem = None
                asyncio.run(_walk(service, url))
            except BaseException:  # noqa: BLE001  (told to the test, whatever it is)
                problem = traceback.format_exc()
            sys.stdout.write(json.dumps({"service": service, "problem": problem}) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


async def _walk(service: str, url: str) -> None:
    folder = FLEET / service
    os.environ[service.upper().replace("-", "_") + "_DATABASE_URL"] = url
    sys.path.insert(0, str(folder))
    from app import database, main, models  # type: ignore[import-not-found]  # the service's own package

    engine = create_async_engine(database.database_url())
    async with engine.begin() as connection:
        await connection.run_sync(_create, models.Base.metadata)
    async with engine.connect() as connection:
        left = await connection.run_sync(_differences, models.Base.metadata)
    await engine.dispose()
    assert left == [], f"the database differs from the models that made it: {left}"
    await SCENES[service](_caller(main.app))
    await database.session_maker().kw["bind"].dispose()


def _create(connection: sa.Connection, metadata: sa.MetaData) -> None:
    schemas = {table.schema for table in metadata.tables.values() if table.schema}
    for schema in sorted(schemas):
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    if "product_embeddings" in metadata.tables:
        connection.execute(sa.text("CREATE EXTENSION vector"))
    metadata.create_all(connection)


def _differences(connection: sa.Connection, metadata: sa.MetaData) -> list[Any]:
    ours = {table.schema for table in metadata.tables.values()}
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_schemas": True,
        "include_name": lambda name, kind, parents: kind != "schema" or name in ours,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _caller(app: fastapi.FastAPI) -> Call:
    """Calls the application as a server would, without one."""

    async def call(method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        path, _, query = path.partition("?")
        sent: list[dict[str, Any]] = []
        received = iter([{"type": "http.request", "body": b"" if body is None else json.dumps(body).encode()}])

        async def receive() -> dict[str, Any]:
            return next(received, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/json")],
        }
        await app(scope, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent)
        assert sent[0]["status"] == expect, f"{method} {path}: {sent[0]['status']} {answer.decode()}"
        return json.loads(answer) if answer else None

    return call


async def _auth(call: Call) -> None:
    person = {"email": "Ana@bakery.example", "full_name": "Ana", "password": "long enough a word"}
    made = await call("POST", "/users", person, expect=201)
    assert made["role"] == "user"
    await call("POST", "/users", {**person, "email": "ANA@bakery.example"}, expect=409)
    assert (await call("GET", "/users/by-email/ana@BAKERY.example"))["id"] == made["id"]
    await call("GET", "/users/by-email/nobody@bakery.example", expect=404)


async def _tenant(call: Call) -> None:
    owner = str(uuid.uuid4())
    new = {
        "name": "Pan y Sal",
        "slug": "pan-y-sal",
        "owner_id": owner,
        "main_shop": "Centro",
        "address": "Calle Mayor 1",
    }
    made = await call("POST", "/tenants", new, expect=201)
    assert made["main_location_id"] is not None
    await call("POST", "/tenants", new, expect=409)
    assert await call("GET", f"/users/{owner}/tenants?may=bake") == [made]
    assert await call("GET", f"/users/{uuid.uuid4()}/tenants") == []


async def _sales(call: Call) -> None:
    await call("POST", "/products", {"tenant_id": TENANT, "name": "Barra", "sku": "B1"}, expect=201)
    await call("POST", "/products", {"tenant_id": TENANT, "name": "Barra", "sku": "B1"}, expect=409)
    sale = {"sku": "B1", "sold_at": "2026-11-02T08:00:00Z", "quantity": "3", "unit_price": "1.10", "discount": "0.1"}
    assert await call("POST", f"/tenants/{TENANT}/sales", sale, expect=201) == "2.97"
    await call("POST", f"/tenants/{TENANT}/sales", {**sale, "channel": "online"}, expect=201)
    (day,) = await call("GET", f"/tenants/{TENANT}/sales/B1")
    assert (day["day"], day["quantity"], day["revenue"]) == ("2026-11-02", "6.000", "5.94")


async def _external(call: Call) -> None:
    seen = {"provider": "aemet", "kind": "weather", "city": "Madrid", "observed_at": "2026-11-02T08:00:00Z"}
    assert await call("PUT", "/observations", [{**seen, "measured": {"rain": 1}}]) == {"stored": 1}
    await call("PUT", "/observations", [{**seen, "measured": {"rain": 2}}])
    (latest,) = await call("GET", "/cities/Madrid/weather")
    assert latest["measured"] == {"rain": 2}


async def _training(call: Call) -> None:
    product, other, far = (str(uuid.uuid4()) for _ in range(3))
    job = await call("POST", "/jobs", {"tenant_id": TENANT, "product_ids": [product]}, expect=202)
    assert (job["state"], job["parameters"]) == ("queued", {"folds": 5})
    places = {product: [1.0] + [0.0] * 15, other: [0.9, 0.1] + [0.0] * 14, far: [0.0] * 15 + [1.0]}
    for each, place in places.items():
        await call("PUT", f"/tenants/{TENANT}/embeddings/{each}", place, expect=204)
    near = await call("GET", f"/tenants/{TENANT}/embeddings/{product}/neighbours")
    assert [each["product_id"] for each in near] == [other, far]


async def _forecasting(call: Call) -> None:
    guess = {"product_id": str(uuid.uuid4()), "day": "2026-11-03", "predicted": "40", "lowest": "30", "highest": "50"}
    batch = {"tenant_id": TENANT, "first_day": "2026-11-03", "predictions": [guess]}
    made = await call("POST", "/batches", batch, expect=201)
    (stored,) = await call("GET", f"/batches/{made}/forecasts")
    assert stored["predicted"] == "40.000"
    await call("PUT", f"/forecasts/{uuid.uuid4()}/sold/41", expect=404)
    assert await call("GET", "/accuracy") == {}
    assert await call("PUT", f"/forecasts/{stored['id']}/sold/60") == "too low"
    assert await call("PUT", f"/forecasts/{stored['id']}/sold/41") == "good"
    assert await call("GET", "/accuracy") == {"good": 1}


async def _notification(call: Call) -> None:
    template = {"code": "order-ready", "subject": "Hola $name", "body": "<p>$name</p>", "needs": ["name"]}
    await call("POST", "/templates", template, expect=201)
    email = {"tenant_id": TENANT, "template": "order-ready", "recipients": ["ana@bakery.example"]}
    await call("POST", "/emails", email, expect=422)
    queued = await call("POST", "/emails", {**email, "filled_with": {"name": "Ana"}}, expect=202)
    assert (queued["kind"], queued["state"]) == ("email", "pending")
    assert (await call("POST", f"/messages/{queued['id']}/sent"))["sent_at"] is not None
    assert await call("GET", f"/tenants/{TENANT}/messages/count") == {"sent": 1}


async def _inventory(call: Call) -> None:
    flour = await call("POST", "/ingredients", {"tenant_id": TENANT, "name": "Harina"}, expect=201)
    await call("POST", "/ingredients", {"tenant_id": TENANT, "name": "HARINA"}, expect=409)
    where = {"tenant_id": TENANT, "warehouse": "Centro", "zone": "seco", "label": "A1"}
    shelf = await call("POST", "/shelves", where, expect=201)
    for number, expires in [("late", "2031-01-01"), ("soon", "2030-01-01")]:
        lot = {"shelf_id": shelf, "number": number, "quantity": "10", "cost": "0.5", "expires_on": expires}
        assert await call("POST", f"/ingredients/{flour}/receipts", lot, expect=201) == "5.00"
    taken = await call("POST", f"/ingredients/{flour}/use?quantity=12")
    assert [each["lot"] for each in taken] == ["soon", "late"]
    await call("POST", f"/ingredients/{flour}/use?quantity=9", expect=409)
    assert await call("GET", f"/ingredients/{flour}/stock") == "8.0000"


async def _recipes(call: Call) -> None:
    recipe = await call("POST", "/recipes", {"tenant_id": TENANT, "name": "Hogaza"}, expect=201)
    await call("GET", f"/recipes/{recipe}", expect=404)
    parts = [{"ingredient_id": str(uuid.uuid4()), "amount": "2", "measure": "%"}]
    steps = [{"instruction": "Amasar", "minutes": 15}, {"instruction": "Hornear", "minutes": 40}]
    version = {"batch_weight_kg": "4.5", "ingredients": parts, "steps": steps}
    assert await call("POST", f"/recipes/{recipe}/versions", version, expect=201) == 1
    assert await call("POST", f"/recipes/{recipe}/versions", {**version, "steps": steps[:1]}, expect=201) == 2
    now = await call("GET", f"/recipes/{recipe}")
    assert (now["version"], now["minutes"], now["steps"]) == (2, 15, ["Amasar"])


async def _suppliers(call: Call) -> None:
    flour = str(uuid.uuid4())
    new = {"tenant_id": TENANT, "name": "Molino", "tax_id": "B1", "delivers": {flour: "H-1"}}
    made = await call("POST", "/suppliers", new, expect=201)
    assert (made["number"], made["approval"], made["delivers_on"]) == (10_000, "pending approval", [1, 2, 3, 4, 5])
    await call("POST", "/suppliers", new, expect=409)
    prices = [{"ingredient_id": flour, "price": "0.9"}, {"ingredient_id": flour, "from_quantity": 100, "price": "0.8"}]
    contract = {"first_day": "2026-01-01", "prices": prices}
    await call("POST", f"/suppliers/{made['id']}/contracts", contract, expect=201)
    cost = f"/ingredients/{flour}/price?on=2026-11-02&quantity="
    assert await call("GET", cost + "50") == {"Molino": "0.9000"}
    assert await call("GET", cost + "500") == {"Molino": "0.8000"}


async def _pos(call: Call) -> None:
    till = await call("POST", "/tills", {"tenant_id": TENANT, "name": "1", "vendor": "square"}, expect=201)
    lines = [{"sku": "B1", "quantity": "2", "unit_price": "1.10"}]
    await call("POST", f"/tills/{till}/sales", {"payment": "cash", "lines": lines}, expect=201)
    await call("POST", f"/tills/{till}/sales", {"lines": lines * 2}, expect=201)
    assert await call("GET", f"/tills/{till}/takings") == {"cash": "2.20", "card": "4.40"}


async def _orders(call: Call) -> None:
    hotel = {"tenant_id": TENANT, "name": "Hotel Sol", "segments": ["hotel", "café"]}
    customer = await call("POST", "/customers", hotel, expect=201)
    lines = [{"product_id": str(uuid.uuid4()), "quantity": "10", "unit_price": "0.95"}]
    order = await call("POST", "/orders", {"customer_id": customer, "lines": lines}, expect=201)
    assert (order["number"], order["state"]) == (100_000, "placed")
    await call("POST", f"/orders/{order['id']}/delivered", expect=409)
    assert (await call("POST", f"/orders/{order['id']}/confirmed"))["state"] == "confirmed"
    assert await call("GET", f"/customers/{customer}/spent") == "9.50"


async def _production(call: Call) -> None:
    line = await call("POST", "/lines", {"tenant_id": TENANT, "name": "Horno 1"}, expect=201)
    items = [{"recipe_id": str(uuid.uuid4()), "quantity": "40"}, {"recipe_id": str(uuid.uuid4()), "quantity": "10"}]
    first, second = await call("POST", "/plans", {"tenant_id": TENANT, "day": "2026-11-03", "items": items}, expect=201)
    batch = await call("POST", f"/lines/{line}/start/{first}", expect=201)
    await call("POST", f"/lines/{line}/start/{second}", expect=409)
    checked = await call("POST", f"/batches/{batch['id']}/checks", {"score": 4, "good": "30", "defects": ["burnt"]})
    assert (checked["state"], checked["share_good"]) == ("scrapped", "0.7500")
    await call("POST", f"/lines/{line}/start/{second}", expect=201)


async def _alert_processor(call: Call) -> None:
    alert = {"tenant_id": TENANT, "service": "inventory", "kind": "low_stock", "title": "Harina", "labels": ["stock"]}
    low = await call("POST", "/alerts", alert, expect=201)
    assert await call("POST", "/alerts", alert, expect=201) == low
    urgent = await call("POST", "/alerts", {**alert, "title": "Horno", "severity": "urgent"}, expect=201)
    assert [each["id"] for each in await call("GET", f"/tenants/{TENANT}/alerts?label=stock")] == [urgent, low]
    assert (await call("POST", f"/alerts/{urgent}/resolve?user_id={TENANT}"))["state"] == "resolved"
    assert [each["id"] for each in await call("GET", f"/tenants/{TENANT}/alerts")] == [low]


SCENES: dict[str, Callable[[Call], Awaitable[None]]] = {
    "alert-processor": _alert_processor,
    "auth": _auth,
    "external": _external,
    "forecasting": _forecasting,
    "inventory": _inventory,
    "notification": _notification,
    "orders": _orders,
    "pos": _pos,
    "production": _production,
    "recipes": _recipes,
    "sales": _sales,
    "suppliers": _suppliers,
    "tenant": _tenant,
    "training": _training,
}


if __name__ == "__main__":
    main()
