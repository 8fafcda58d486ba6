"""The documented calls, to the letter: names, order and defaults of their parameters."""

from __future__ import annotations

import inspect

import pytest

from stillroom.runtime import service

CALLS = {
    "DatabaseInitManager": (
        "database_manager, service_name, alembic_ini_path=None, models_module=None, verify_only=True, force_recreate=False"
    ),
    "initialize_service_database": "database_manager, service_name, verify_only=True, force_recreate=False",
    "DatabaseManager": "url, **engine_options",
}


@pytest.mark.parametrize("name", CALLS)
def test_a_documented_call_takes_what_it_is_documented_to_take(name: str) -> None:
    """What is added to it can be given by name only."""
    said = []
    for each in inspect.signature(getattr(service, name)).parameters.values():
        if each.kind is each.KEYWORD_ONLY:
            continue
        star = "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f"={each.default!r}"
        said.append(f"{star}{each.name}{default}")
    assert ", ".join(said) == CALLS[name]


def test_what_is_documented_is_asynchronous_where_it_is_awaited() -> None:
    """And the method that older services override is there."""
    assert inspect.iscoroutinefunction(service.initialize_service_database)
    assert inspect.iscoroutinefunction(service.DatabaseInitManager.initialize_database)
    assert inspect.iscoroutinefunction(service.DatabaseManager.test_connection)
    assert inspect.iscoroutinefunction(service.BaseFastAPIService._handle_database_tables)


def test_nothing_makes_tables_from_models() -> None:
    """There is no `create_all` in what services import."""
    for module in (service.base, service.database, service.init_manager, service.lifespan, service.migration):  # type: ignore[attr-defined]
        assert "create_all(" not in inspect.getsource(module)
