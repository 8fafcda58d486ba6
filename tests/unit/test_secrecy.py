"""Passwords are taken out of whatever is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stillroom.runtime import faults, secrecy
from stillroom.runtime.connections import urls


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test teaches is not known to the next."""
    monkeypatch.setattr(secrecy, "_known", {})
    yield


@pytest.mark.parametrize("text", ["{}", "is '{}'.", "password={} host=h", '["{}"]', "a\n{}\nb"])
@pytest.mark.parametrize("form", ["p@s%s/w'd", "p%40s%25s%2Fw%27d", "p%%40s%%25s%%2Fw%%27d", "p@s%%s/w'd"])
def test_a_password_that_was_learnt_is_found_in_every_form(text: str, form: str) -> None:
    """Plain, as in a URL, as in an ini file; wherever it stands."""
    secrecy.learn("p@s%s/w'd")
    told = faults.ProjectFault(
        "x", text.format(form), "mend", detail=text.format(form), data={"a": [text.format(form)]}
    )
    assert form not in str(told.to_dict())
    assert told.to_dict()["message"] == text.format("***")


def test_a_password_in_a_url_needs_not_be_known() -> None:
    """Of several URLs in one text each is masked; an example of a URL stays one."""
    text = f"tried 'postgresql://a:hush@h/d' and 'postgres://b:h:u@h/d', not {urls.FORM}"
    assert secrecy.scrubbed(text) == f"tried 'postgresql://a:***@h/d' and 'postgres://b:***@h/d', not {urls.FORM}"


@pytest.mark.parametrize(
    ("password", "others", "text"),
    [
        ("postgres", (), "postgresql on port 5432, role postgres"),
        ("shop", ("me", "shop"), "the database shop"),
        ("a", (), "a table of a service"),
        ("table", (), "tables and retables"),
    ],
)
def test_ordinary_words_stay(password: str, others: tuple[str, ...], text: str) -> None:
    """A password that is a part of a word, a role or a database's name hides nothing of a sentence."""
    secrecy.learn(password, *others)
    assert secrecy.scrubbed(text) == text
