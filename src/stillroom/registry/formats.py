"""What single texts of the registry have to look like: names for Kubernetes, PostgreSQL, the shell and Python.

Each function takes a text and returns what is wrong with it and what is allowed, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from stillroom.registry import model
from stillroom.registry.mistakes import holds_secret, shown

__all__ = [
    "BY_FIELD",
    "LONGEST_NAME",
    "MERGE_KEY",
    "NAME_PATTERN",
    "NO_MERGING",
    "UNUSED",
    "environment_name",
    "function",
    "is_secret_variable",
    "service_name",
    "url",
    "variable",
]

_LONGEST_LABEL = 63
_LONGEST_IDENTIFIER = 63  # bytes; PostgreSQL cuts longer ones without an error
_LONGEST_MESSAGE = 200
_LONGEST_SUBDOMAIN = 253

LONGEST_NAME = _LONGEST_LABEL - model.JOB_NAME_EXTRA
"""Characters of a service's name, so that its migration Job's name still fits into a label."""

NAME_PATTERN = f"^[a-z0-9]([a-z0-9-]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?$"
"""A service's name, as a regular expression that JSON Schema understands, too."""

MERGE_KEY = "<<"
NO_MERGING = "YAML's merge key is not supported; what services have in common stands in 'defaults'"

UNUSED = ("unused", "dummy", "placeholder")
"""What may stand in `env` for a secret that a settings class demands and migrations do not use."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LABEL_RULE = "allowed: lower-case letters, digits and '-', with a letter or digit first and last"
_ENVIRONMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_SECRET_VARIABLE = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|SECRET|PRIVATE|ACCESS|ENCRYPTION|SIGNING|JWT)_?KEY)$",
    re.IGNORECASE,
)


def service_name(text: str) -> str | None:
    """A DNS-1123 label, short enough for the names that are made from it."""
    if text == MERGE_KEY:
        return NO_MERGING
    problem = _label(text)
    if problem is None and len(text) > LONGEST_NAME:
        return (
            f"{len(text)} characters; at most {LONGEST_NAME} are allowed, so that the name of its migration Job "
            f"(`{text[:12]}…-migration-<hash>`) stays within Kubernetes' {_LONGEST_LABEL}"
        )
    return problem


def environment_name(text: str) -> str | None:
    """A word that can be typed after `--environment` and stored as a setting of a database."""
    if _ENVIRONMENT.fullmatch(text) and len(text) <= _LONGEST_LABEL:
        return None
    return (
        f"not an environment's name: letters, digits, '-', '_' and '.' are allowed, at most {_LONGEST_LABEL} characters"
    )


def variable(text: str) -> str | None:
    """The name of an environment variable."""
    if _VARIABLE.fullmatch(text):
        return None
    if "://" in text or holds_secret(text):
        return "this is a URL, and it may hold a password: write the name of the environment variable that holds it"
    return f"{shown(text)} is not the name of an environment variable (letters, digits and '_', no digit first)"


def is_secret_variable(name: str) -> bool:
    """Whether a variable of this name holds a secret by all appearances: `JWT_SECRET_KEY`, but not `TOKEN_TTL`."""
    return _SECRET_VARIABLE.search(name) is not None


def _label(text: str) -> str | None:
    if not _LABEL.fullmatch(text):
        better = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:_LONGEST_LABEL].strip("-")
        return f"Kubernetes refuses {shown(text)}{f' (try {better!r})' if better else ''}; {_LABEL_RULE}"
    if len(text) > _LONGEST_LABEL:
        return f"Kubernetes refuses {shown(text)}: {len(text)} characters, at most {_LONGEST_LABEL} are allowed"
    return None


def _module(text: str) -> str | None:
    if _MODULE.fullmatch(text):
        return None
    better = text.removesuffix(".py").strip("./").replace("/", ".")
    hint = f" (did you mean '{better}'?)" if better != text and _MODULE.fullmatch(better) else ""
    return f"{shown(text)} is not a module{hint}: write it as Python imports it, `package.module`"


def _metadata(text: str) -> str | None:
    module, colon, attribute = text.partition(":")
    if colon and _MODULE.fullmatch(module) and _MODULE.fullmatch(attribute):
        return None
    return f"{shown(text)} is not `module:attribute`, as in `app.models:Base.metadata`"


def function(text: str) -> str | None:
    """A function that can be imported: `module:function`."""
    module, colon, name = text.partition(":")
    if colon and _MODULE.fullmatch(module) and _MODULE.fullmatch(name):
        return None
    return f"{shown(text)} is not `module:function`, as in `app.startup:prepare`"


def _identifier(text: str) -> str | None:
    if not text.strip() or "\0" in text:
        return "is empty; a name is expected"
    size = len(text.encode("utf-8", "replace"))
    if size > _LONGEST_IDENTIFIER:
        return f"{shown(text)} is {size} bytes long; PostgreSQL cuts names after {_LONGEST_IDENTIFIER}"
    return None


def _schema(text: str) -> str | None:
    if text.lower().startswith("pg_") or text.lower() == "information_schema":
        return f"{shown(text)} is a schema of PostgreSQL itself; name one that the service owns"
    return _identifier(text)


def _database(text: str) -> str | None:
    if text in ("template0", "template1"):
        return f"{shown(text)} is PostgreSQL's own; name the service's database"
    return _identifier(text)


def _message(text: str) -> str | None:
    if text.strip() and text.isprintable() and len(text) <= _LONGEST_MESSAGE:
        return None
    return f"a message is one line of 1 to {_LONGEST_MESSAGE} characters"


def _right(text: str) -> str | None:
    if text.upper() in _RIGHTS:
        return None
    return f"{shown(text)} is no right on tables; those are {', '.join(_RIGHTS)}"


def _subdomain(text: str) -> str | None:
    """A DNS-1123 subdomain, as the names of most objects are."""
    if len(text) <= _LONGEST_SUBDOMAIN and all(_LABEL.fullmatch(each) for each in text.split(".")):
        return None
    return _label(text) or f"Kubernetes refuses {shown(text)}: more than {_LONGEST_SUBDOMAIN} characters"


def _image(text: str) -> str | None:
    if _IMAGE.fullmatch(text):
        return None
    return f"{shown(text)} is not an image, as `registry.example/shop/{{name}}:1.4.2` is"


_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def _filled(text: str) -> str | None:
    return None if text.strip() and "\0" not in text else "is empty"


def url(said: Mapping[str, Any] | None) -> str | None:
    """The way in which env.py learns its URL, if it is said at all."""
    if said is None:
        return None
    if len(said) != 1:
        return f"say exactly one of {', '.join(_URL_WAYS)}; {'several are' if said else 'none is'} said"
    ((way, value),) = said.items()
    if way == "variables":
        return next(filter(None, (variable(each) for each in value.values())), None)
    if not value.strip() or not value.isprintable() or any(each in value for each in _URL_WAYS[way]):
        return (
            f"{shown(value)} is no key of {'an ini file' if way == 'ini' else '-x'}, as `sqlalchemy.url` or `db_url` is"
        )
    return None


_URL_WAYS = {"variables": "", "ini": "=:[] ", "argument": "= "}
"""The ways, with what may not stand in their key."""


BY_FIELD: Mapping[str, Callable[[str], str | None]] = {
    "path": _filled,
    "config": _filled,
    "ini_section": _filled,
    "env_file": _filled,
    "script_location": _filled,
    "version_locations": _filled,
    "prepend_sys_path": _filled,
    "setup": function,
    "models": _module,
    "metadata": _metadata,
    "url_variable": variable,
    "service_role": _identifier,
    "grants": _right,
    "scratch_url_variable": variable,
    "database": _database,
    "schemas": _schema,
    "version_table": _identifier,
    "version_table_schema": _schema,
    "extensions": _identifier,
    "python": _filled,
    "env": variable,
    "namespace": _label,
    "container": _label,
    "workload": _label,
    "remote_path": _filled,
    "scratch_image": _filled,
    "message": _message,
    "image": _image,
    "image_pull_secrets": _subdomain,
    "config_map": _subdomain,
    "service_account": _subdomain,
}
"""Field of a service to the check of its text, of each text in its list, or of each key in its mapping."""
