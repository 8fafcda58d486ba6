"""The decision matrix: who may migrate at start, who may recreate, and what is refused."""

from __future__ import annotations

import itertools

import pytest

from stillroom.runtime import faults
from stillroom.runtime.service import mode

FREE = ["development", "dev", "local", "test", "Development", " DEV "]
OTHERS = ["staging", "production", "prod", "PRODUCTION", "qa", "developmnet", "", None]


def environ(**said: str | None) -> dict[str, str]:
    """An environment of what is not None."""
    return {name: value for name, value in said.items() if value is not None}


@pytest.mark.parametrize("environment", FREE)
@pytest.mark.parametrize("skip", ["false", "FALSE", "0", "no", "off", " false "])
def test_only_these_environments_with_an_explicit_false_migrate_at_start(environment: str, skip: str) -> None:
    """Both have to be said."""
    decided = mode.decide(environ(ENVIRONMENT=environment, SKIP_MIGRATIONS=skip))
    assert decided == mode.Start(verify_only=False)


@pytest.mark.parametrize(("environment", "skip"), list(itertools.product(OTHERS, ["true", "false", "", None])))
def test_any_other_environment_verifies_whatever_else_is_set(environment: str | None, skip: str | None) -> None:
    """Staging, production, a typing error, nothing at all: a service never migrates there."""
    decided = mode.decide(environ(ENVIRONMENT=environment, SKIP_MIGRATIONS=skip, DB_FORCE_RECREATE="true"))
    assert decided.verify_only
    assert decided.skips == (skip == "true")
    assert any("DB_FORCE_RECREATE has no effect" in each for each in decided.remarks)
    assert any("SKIP_MIGRATIONS=false has no effect" in each for each in decided.remarks) == (skip == "false")


@pytest.mark.parametrize("environment", FREE)
@pytest.mark.parametrize("skip", ["true", "", None])
def test_without_an_explicit_false_development_verifies_too(environment: str, skip: str | None) -> None:
    """The default is to verify."""
    decided = mode.decide(environ(ENVIRONMENT=environment, SKIP_MIGRATIONS=skip))
    assert decided == mode.Start(verify_only=True, skips=skip == "true")


def test_breaking_the_matrix_would_be_seen() -> None:
    """Of all combinations exactly the free environments with an explicit false migrate."""
    free = {
        (environment, skip)
        for environment in ("development", "dev", "local", "test", "staging", "production", "prod", None)
        for skip in ("true", "false", None)
        if not mode.decide(environ(ENVIRONMENT=environment, SKIP_MIGRATIONS=skip)).verify_only
    }
    assert free == {(environment, "false") for environment in ("development", "dev", "local", "test")}


@pytest.mark.parametrize("name", ["SKIP_MIGRATIONS", "DB_FORCE_RECREATE"])
def test_a_setting_that_says_neither_is_an_error(name: str) -> None:
    """Nothing is guessed; the message names the variable and what it may be."""
    with pytest.raises(faults.WrongRequest) as refused:
        mode.decide({name: "maybe"})
    assert refused.value.code == "setting-unclear"
    assert name in refused.value.message
    assert "true or false" in refused.value.mend


@pytest.mark.parametrize("environment", FREE)
def test_where_content_may_be_lost_a_job_may_recreate(environment: str) -> None:
    """An explicit ENVIRONMENT of these is what it takes."""
    mode.need_free_environment({"ENVIRONMENT": environment})


@pytest.mark.parametrize("environment", OTHERS)
def test_nowhere_else_a_job_may_recreate(environment: str | None) -> None:
    """Not set counts as production."""
    with pytest.raises(faults.RefusedFault) as refused:
        mode.need_free_environment(environ(ENVIRONMENT=environment, DB_FORCE_RECREATE="true"))
    assert refused.value.code == "recreate-refused"
    assert "ENVIRONMENT" in refused.value.message


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("false", False), ("", False), (None, False)])
def test_recreating_is_asked_for_by_one_variable(said: str | None, meant: bool) -> None:
    """`DB_FORCE_RECREATE`."""
    assert mode.force_recreate_requested(environ(DB_FORCE_RECREATE=said)) is meant


@pytest.mark.parametrize(
    ("said", "given", "meant"),
    [
        (None, None, "stamp"),
        ("", None, "stamp"),
        ("deep", None, "deep"),
        ("DEEP", None, "deep"),
        ("deep", "stamp", "stamp"),
    ],
)
def test_the_depth_is_the_argument_or_the_variable_or_stamp(said: str | None, given: str | None, meant: str) -> None:
    """The constructor's argument goes first."""
    assert mode.depth(environ(VERIFY_DEPTH=said), given) == meant


@pytest.mark.parametrize(("said", "given"), [("full", None), (None, "Deep"), (None, "")])
def test_an_unknown_depth_is_an_error(said: str | None, given: str | None) -> None:
    """It never falls back to the shallower one."""
    with pytest.raises(faults.WrongRequest) as refused:
        mode.depth(environ(VERIFY_DEPTH=said), given)
    assert refused.value.mend == "it can be stamp or deep"
