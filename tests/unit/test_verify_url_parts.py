"""A URL out of several variables, for verifying without SQLAlchemy."""

from __future__ import annotations

import pytest

from stillroom.runtime import faults
from stillroom.runtime.verifying import plain_url, url_parts

PARTS = "host=H, port=P,user=U,password=W,name=N"


def made(**environ: str) -> plain_url.PlainUrl:
    """What the variables of `PARTS` come to, read again."""
    said = {"H": "db", "P": "6000", "U": "me", "W": "w", "N": "shop", **environ}
    parts = url_parts.named(PARTS, said)
    assert parts is not None
    return plain_url.parse(url_parts.url(parts, said))


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "db:6000/shop"),
        ({"H": "127.0.0.1", "P": ""}, "127.0.0.1:5432/shop"),
        ({"H": "2001:db8::1"}, "[2001:db8::1]:6000/shop"),
        ({"H": "db:7000", "P": ""}, "db:7000/shop"),
        ({"H": "/nowhere/pg"}, "/nowhere/pg:6000/shop"),
        ({"H": "one,two", "P": "1,2"}, "one:1/shop"),
        ({"N": "sh/op?x"}, "db:6000/sh/op?x"),
    ],
)
def test_where_it_leads(environ: dict[str, str], told: str) -> None:
    """Names, addresses, sockets, several hosts, a port in the host; whatever sign stands in a name."""
    assert str(made(**environ)) == told


def test_signs_in_a_password_are_its_own() -> None:
    """Nothing has to be encoded in a variable; an empty password is none."""
    found = made(U="m@e", W="p@ss/w:rd%20#?")
    assert (found.username, found.password) == ("m@e", "p@ss/w:rd%20#?")
    assert made(W="").password is None


def test_what_is_not_set_is_named_at_once() -> None:
    """All of it; a port may be empty, and a variable for the password has to be there."""
    parts = url_parts.named(PARTS, {})
    assert parts is not None
    with pytest.raises(faults.WrongRequest) as caught:
        url_parts.url(parts, {"H": "", "U": "me"})
    assert caught.value.code == "url-variable-unset"
    assert "variables H, W, N, of which" in caught.value.message and "are not set" in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("host", "does not name a variable for each part"),
        ("host=A B,name=C", "does not name a variable for each part"),
        ("host=A,name=B,name=C", "does not name a variable for each part"),
        ("host=A,name=B,colour=C", "does not name a variable for each part"),
        ("user=A", "has the host and the name"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, told: str) -> None:
    """With the form."""
    with pytest.raises(faults.WrongRequest) as caught:
        url_parts.named(text, {})
    assert caught.value.code == "choice-unknown" and told in caught.value.message
    assert "host=DB_HOST,name=DB_NAME" in caught.value.mend


def test_the_environment_says_it_as_well() -> None:
    """An option goes before it; where nobody says it, it is one variable."""
    assert url_parts.named(None, {"STILLROOM_URL_VARIABLES": "host=A,name=B"}) == {"host": "A", "name": "B"}
    assert url_parts.named("host=C,name=D", {"STILLROOM_URL_VARIABLES": "host=A,name=B"}) == {"host": "C", "name": "D"}
    assert url_parts.named(None, {}) is None
