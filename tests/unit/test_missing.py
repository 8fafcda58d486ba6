"""The names of variables that the service's code misses, told by what it raised."""

from __future__ import annotations

import os
from collections.abc import Callable

import pydantic
import pytest

from stillroom.runtime import missing


def raised(work: Callable[[], object]) -> Exception:
    """What it raises."""
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


def failing(error: Exception) -> Callable[[], object]:
    """Raises it."""

    def fail() -> None:
        raise error

    return fail


class Prefixed(pydantic.BaseModel):
    """As pydantic-settings' classes look from outside."""

    model_config = pydantic.ConfigDict(env_prefix="SHOP_", env_nested_delimiter="__")

    redis_url: str
    jwt_secret: str = pydantic.Field(validation_alias="JWT_SECRET")
    workers: int = 3


class Plain(pydantic.BaseModel):
    """A model that no variable fills."""

    name: str


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (RuntimeError("REDIS_URL is not set"), ["REDIS_URL"]),
        (RuntimeError("Missing required settings: REDIS_URL, JWT_SECRET_KEY"), ["REDIS_URL", "JWT_SECRET_KEY"]),
        (KeyError("Config 'TOKEN' is missing, and has no default."), ["TOKEN"]),
        (ValueError("the HTTP server must be set up first"), []),
        (ValueError("invalid value in REDIS_URL"), []),
        (KeyError("REDIS_URL"), []),
    ],
    ids=str,
)
def test_messages_name_them(error: Exception, names: list[str]) -> None:
    """Where they say that something is not set; a key that a dictionary lacks is no variable."""
    assert missing.variables(raised(failing(error))) == names


def test_a_name_that_is_set_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a message says."""
    monkeypatch.setenv("SMTP_HOST", "here")
    assert missing.variables(RuntimeError("SMTP_HOST and SMTP_PORT are required")) == ["SMTP_PORT"]


def test_the_environment_itself_tells() -> None:
    """`os.environ[...]`."""
    assert missing.variables(raised(lambda: os.environ["STILLROOM_NO_SUCH"])) == ["STILLROOM_NO_SUCH"]


def test_settings_classes_miss_several_at_once() -> None:
    """With their prefix; an alias stands as it is."""
    assert missing.variables(raised(Prefixed)) == ["SHOP_REDIS_URL", "JWT_SECRET"]


def test_a_model_of_something_else_misses_no_variable() -> None:
    """A request's body, say."""
    assert missing.variables(raised(Plain)) == []
