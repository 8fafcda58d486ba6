"""What holds for any registry: valid ones load, every mistake is told where it stands, nothing else ever comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom import errors
from stillroom.registry import model, shape
from tests.unit import registry_help

_NAMES = st.lists(st.from_regex("[a-z]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True), min_size=1, max_size=6, unique=True)

_GOOD = {
    "heads": "3",
    "time_limit": "2.5",
    "models": "[app.models, more]",
    "metadata": "app.models:Base.metadata",
    "schemas": "[sales, '{name}']",
    "extensions": "vector",
    "env": "{A: 1, B_C: yes}",
    "message": "'start of {name}'",
    "namespace": "bakery",
    "container": "'{name}-app'",
    "scratch": "create",
    "version_table": "'{name}_version'",
    "database": "'{NAME}'",
}

# key, value, what is told, and how many characters after the start of the key it stands
_BAD = {
    "number": ("heads", "0", "has to be at least 1", 0),
    "type": ("models", "{a: b}", "a list", 0),
    "key": ("tiem_limit", "1", "unknown key (did you mean 'time_limit'?)", 0),
    "label": ("container", "Not_Allowed", "Kubernetes refuses", 0),
    "placeholder": ("message", "'{nmae}'", "unknown placeholder '{nmae}' (did you mean 'name'?)", 0),
    "secret": ("metadata", "postgresql://me:hunter2@db/x", "this looks like a password", 0),
    "service": ("after", "[nobody_of_these]", "unknown service 'nobody_of_these'", len("after: [")),
    "folder": ("path", "no/such/folder", "the folder no/such/folder does not exist", 0),
    "choice": ("scratch", "embeded", "unknown scratch 'embeded' (did you mean 'embedded'?)", 0),
    "variable": ("url_variable", "a-b", "'a-b' is not the name of an environment variable", 0),
    "schema": ("schemas", "[pg_temp]", "is a schema of PostgreSQL itself", len("schemas: [")),
}


@registry_help.ANY_TIME
@given(data=st.data(), names=_NAMES)
def test_any_registry_of_valid_names_loads(
    data: st.DataObject, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In the order of the file, in every environment, with names and variables made from the service's name."""
    lines = [registry_help.HERE + "environments: {a: {target: local}, b: {target: kubernetes}}\ndefault_environment: b"]
    lines.append("services:")
    for place, name in enumerate(names):
        lines.append(f"  {name}:")
        said = data.draw(st.sets(st.sampled_from(sorted(_GOOD))))
        lines += [f"    {key}: {_GOOD[key]}" for key in sorted(said)]
        earlier = data.draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        lines.append(f"    after: {json.dumps(earlier)}")
    fleet = registry_help.loaded(tmp_path_factory.mktemp("fleet"), "\n".join(lines))
    assert list(fleet.names) == names
    for environment in fleet.environments:
        for service in fleet.services_in(environment):
            assert isinstance(service, model.Service)
            assert service.environment == environment
            assert service.url_variable == service.name.upper().replace("-", "_") + "_DATABASE_URL"
            assert service.container in (None, f"{service.name}-app")


@registry_help.ANY_TIME
@given(data=st.data(), names=_NAMES)
def test_every_mistake_is_told_where_it_stands(
    data: st.DataObject, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However many mistakes there are, all are told at once, each with its line, column and path, and nothing else."""
    lines = [registry_help.HERE.rstrip(), "services:"]
    expected = {}
    wrong = data.draw(st.sets(st.tuples(st.sampled_from(names), st.sampled_from(sorted(_BAD))), min_size=1))
    for name in names:
        lines.append(f"  {name}:")
        bad = [_BAD[kind] for of, kind in sorted(wrong) if of == name]
        taken = {key for key, *_ in bad}
        good = data.draw(st.sets(st.sampled_from(sorted(_GOOD)))) - taken
        lines += [f"    {key}: {_GOOD[key]}" for key in sorted(good)]
        for key, value, told, offset in bad:
            lines.append(f"    {key}: {value}")
            expected[(len(lines), 5 + offset, f"services.{name}.{key}{'[0]' if offset else ''}")] = told
    found = registry_help.mistakes(tmp_path_factory.mktemp("fleet"), "\n".join(lines))
    assert len(found) == len(expected), found
    for line, ((number, column, path), told) in zip(found, sorted(expected.items()), strict=True):
        assert line.startswith(f"{number}:{column}  {path}: ")
        assert told in line


_KEYS = st.sampled_from(
    [*shape.FileShape.model_fields, *shape.ServiceShape.model_fields, "target", "host", "auth", "tenant", "<<", ""]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("a{}nme:/@.*é\0", max_size=6) | _KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=25,
)
_FILES = st.fixed_dictionaries(
    {"services": st.dictionaries(_KEYS, st.none() | st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4)},
    optional={
        "defaults": st.dictionaries(_KEYS, _VALUES, max_size=4),
        "environments": st.dictionaries(
            _KEYS,
            st.fixed_dictionaries(
                {"target": st.sampled_from(["local", "kubernetes", "ssh"]) | _VALUES},
                optional={"services": _VALUES, "namespace": _VALUES, "port": _VALUES, "database": _VALUES},
            ),
            max_size=3,
        ),
        "default_environment": _VALUES,
    },
)


@registry_help.ANY_TIME
@given(data=_FILES | _VALUES)
def test_any_data_loads_or_is_refused(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the file holds, there is a fleet or a RegistryError with mistakes in lines that exist."""
    _load_or_refuse(json.dumps(data, indent=1), tmp_path_factory)


@registry_help.ANY_TIME
@given(text=st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@`, \n\t?<", max_size=60))
def test_any_text_loads_or_is_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the file is, nothing but a RegistryError comes out."""
    _load_or_refuse(text, tmp_path_factory)


def _load_or_refuse(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fleet")
    try:
        fleet = registry_help.loaded(folder, text)
    except errors.RegistryError:
        told = registry_help.mistakes(folder, text)
        assert told
        lines = max(1, len(text.splitlines()) + 1)
        assert all(1 <= int(line.split(":")[0]) <= lines for line in told)
    else:
        assert fleet.services
