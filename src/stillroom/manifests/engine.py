"""Templates to text: Jinja where nothing is undefined in silence, and nothing is printed but through `tojson`."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from stillroom.manifests.problems import ManifestsWrong, Problem

__all__ = ["Engine", "quoted"]

_SUFFIX = ".j2"
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False)
# What YAML does not read as it is, or reads as the end of a line; JSON's own escapes are YAML's.
_UNREADABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class _Quoted(str):
    """A text that went through `tojson`."""

    __slots__ = ()


def quoted(value: Any) -> str:
    """A value as JSON that YAML reads as the same value."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, and names the variable
    return _Quoted(_UNREADABLE.sub(_escaped, _ENCODER.encode(value)))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _printed(value: Any) -> Any:
    """What an expression may print."""
    if isinstance(value, _Quoted | jinja2.Undefined):  # the latter fails by itself, and names the variable
        return value
    raise jinja2.TemplateRuntimeError("a value is printed without `| tojson`")


class Engine:
    """The templates: ours, and the team's own in their place.

    Args:
        folder: the team's own; it may be missing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._own = folder
        ours = resources.files("stillroom.templates")
        loaders: list[jinja2.BaseLoader] = [] if folder is None else [jinja2.FileSystemLoader(folder)]
        loaders.append(jinja2.FunctionLoader(lambda name: _source(ours.joinpath(name))))
        self._jinja = jinja2.Environment(  # noqa: S701 - this is no HTML; what is printed went through tojson
            loader=jinja2.ChoiceLoader(loaders),
            undefined=jinja2.StrictUndefined,
            finalize=_printed,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters["tojson"] = quoted
        self._templates: dict[str, jinja2.Template] = {}

    @property
    def has_own(self) -> bool:
        """Whether the team has templates of its own."""
        return self._own is not None and any(self._own.glob(f"*{_SUFFIX}"))

    def text(self, name: str, context: Mapping[str, Any]) -> str:
        """A template's text.

        Raises:
            ManifestsWrong: `template-wrong`: with template, line and variable.
        """
        try:
            return self._template(name).render(context)
        except jinja2.TemplateSyntaxError as error:
            raise self._wrong(error.name or name, error.lineno, error.message or "wrong syntax") from error
        except jinja2.TemplateNotFound as error:
            raise self._wrong(name, None, f"the template {error.name} does not exist") from error
        except (jinja2.TemplateError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
            where, line = _place(error, name)
            raise self._wrong(where, line, str(error) or type(error).__name__) from error

    def _template(self, name: str) -> jinja2.Template:
        if name not in self._templates:
            self._templates[name] = self._jinja.get_template(name + _SUFFIX)
        return self._templates[name]

    def _wrong(self, name: str, line: int | None, text: str) -> ManifestsWrong:
        name = name if name.endswith(_SUFFIX) else name + _SUFFIX
        where = f"templates/{name}" + (f", line {line}" if line else "")
        mend = "correct the template; docs/manifests.md lists what its variables are"
        return ManifestsWrong([Problem("template-wrong", where, text, mend)])


def _source(file: Any) -> str | None:
    try:
        return str(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        return None


def _place(error: BaseException, name: str) -> tuple[str, int | None]:
    """The template and the line where it went wrong: Jinja writes them into the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == "<template>" or frame.filename.endswith(_SUFFIX):
            return (name if frame.filename == "<template>" else Path(frame.filename).name), frame.lineno
    return name, None
