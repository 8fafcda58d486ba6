"""The options of a service's Alembic configuration: an ini file, the [tool.alembic] of a pyproject.toml, both, or none.

Read as Alembic 1.12 to 1.20 would read them, importing nothing: the ini file first, then the TOML one.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import faults

__all__ = ["PYPROJECT", "Options", "read"]

PYPROJECT = "pyproject.toml"

_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_SPACE_COMMA = re.compile(r", *|(?: +)")  # what Alembic does where no separator is declared
_SPACE_COMMA_COLON = re.compile(r", *|(?: +)|\:")


class Options:
    """Options by name. A value is interpolated only when it is asked for, since `env.py` may fill the others.

    Attributes:
        ini: the ini file; None: there is none.
        toml: the pyproject.toml whose [tool.alembic] counts; None: there is none.
        section: the section of the ini file that is read; it need not be there.
    """

    def __init__(self, ini: Path | None, toml: Path | None, section: str) -> None:
        self.ini = ini
        self.section = section
        self._parser = _parsed(ini) if ini is not None else configparser.ConfigParser()
        self._table = _table(toml) if toml is not None else {}
        self.toml = toml if self._table else None

    @property
    def file(self) -> Path | None:
        """The file to name in messages."""
        return self.ini if self.ini is not None and (self.has_section or self.toml is None) else self.toml

    @property
    def has_section(self) -> bool:
        """Whether the ini file has the section."""
        return self._parser.has_section(self.section)

    @property
    def sections(self) -> list[str]:
        """The sections that the ini file has."""
        return self._parser.sections()

    def text(self, name: str) -> str:
        """The option's value, or ""."""
        said = self._said(name)
        return str(self._interpolated(name, self._table[name])) if said is None and name in self._table else said or ""

    def flag(self, name: str) -> bool:
        """Whether the option is true."""
        said = self._said(name)
        return said == "true" if said is not None else self._table.get(name) is True

    def number(self, name: str) -> int:
        """The option as a number; 0 where it is not said."""
        value = self.text(name)
        if value and not value.strip().isdigit():
            raise faults.ProjectFault(
                "config-value", f"{self.file}: `{name} = {value}` is no number.", f"Write `{name} = 40`."
            )
        return int(value or 0)

    def version_locations(self) -> list[str]:
        """The folders that `version_locations` names."""
        return self._several("version_locations", _SPACE_COMMA, "path_separator", "version_path_separator")

    def prepend_sys_path(self) -> list[str]:
        """The folders that `prepend_sys_path` names."""
        return self._several("prepend_sys_path", _SPACE_COMMA_COLON, "path_separator")

    def _said(self, name: str) -> str | None:
        """What the ini file says, if it does."""
        try:
            return self._parser.get(self.section, name, fallback=None) if self.has_section else None
        except configparser.InterpolationError as exc:
            raise faults.ProjectFault(
                "config-value",
                f"{self.ini}: `{name}` in [{self.section}] refers to something that is not there: "
                f"{self._parser.get(self.section, name, raw=True)}.",
                "Define what stands in `%(...)s` in the same section, or write `%%` for a plain percent sign.",
            ) from exc

    def _several(self, name: str, legacy: re.Pattern[str], *separators: str) -> list[str]:
        text = self._said(name)
        if text:
            separator = self._separator(*separators)
            parts = legacy.split(text) if separator is None else text.split(separator)
            return [each if separator is None else each.strip() for each in parts if each.strip()]
        value = self._interpolated(name, self._table.get(name) or [])
        return [value] if isinstance(value, str) else [str(each) for each in value]

    def _separator(self, *names: str) -> str | None:
        for name in names:
            value = self._said(name)
            if value in _SEPARATORS:
                return _SEPARATORS[value]
            if value:
                raise faults.ProjectFault(
                    "config-value",
                    f"{self.ini}: `{name} = {value}` in [{self.section}]; allowed are {', '.join(_SEPARATORS)}.",
                    f"Write `{name} = os`.",
                )
        return None

    def _interpolated(self, name: str, value: Any) -> Any:
        """A value of the TOML file with `%(here)s` filled in, as Alembic does it."""
        here = {"here": self.toml.absolute().parent.as_posix() if self.toml is not None else ""}
        try:
            if isinstance(value, list):
                return [str(each) % here for each in value]
            return value % here if isinstance(value, str) else value
        except (KeyError, ValueError, TypeError) as exc:
            raise faults.ProjectFault(
                "config-value",
                f"{self.toml}: `{name}` in [tool.alembic] refers to something that is not there: {value}.",
                "Only `%(here)s` stands for something there; write `%%` for a plain percent sign.",
            ) from exc


def read(config: str | None, folder: Path, section: str) -> Options:
    """The options that hold for a service.

    Args:
        config: the file that is named, absolute; None: none is, and none is needed.
        folder: the service's, where Alembic is started.
        section: `alembic -n`.

    Raises:
        faults.ProjectFault: `config-missing`, `config-unreadable`.
    """
    beside = folder / PYPROJECT
    toml = beside if beside.is_file() else None
    ini = folder / "alembic.ini" if config is None else Path(config)
    if ini.suffix == ".toml":
        return Options(None, _existing(ini), section)
    if not ini.is_file() and (config is None or (ini.name == "alembic.ini" and toml is not None and _table(toml))):
        return Options(None, toml, section)
    return Options(_existing(ini), toml, section)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise faults.ProjectFault(
            "config-missing",
            f"There is no {file}, the Alembic configuration.",
            "Correct `config:` in services.yaml (or name the folder of env.py there, `script_location:`), or make the "
            "project: alembic init -t async migrations",
        )
    return file


def _parsed(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser({"here": path.absolute().parent.as_posix()})
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise _unreadable(path, exc) from exc
    return parser


def _table(path: Path) -> Mapping[str, Any]:
    """What [tool.alembic] says. A file that does not mention it is not parsed: its faults are no business of ours."""
    try:
        content = path.read_bytes()
        if b"tool" not in content or b"alembic" not in content:
            return {}
        found = _tomllib().loads(content.decode("utf-8")).get("tool", {}).get("alembic", {})
    except (OSError, ValueError) as exc:
        raise _unreadable(path, exc) from exc
    return found if isinstance(found, dict) else {}


def _tomllib() -> ModuleType:
    try:
        import tomllib  # Python 3.11
    except ModuleNotFoundError:
        from alembic.util.compat import tomllib
    return tomllib


def _unreadable(path: Path, exc: Exception) -> faults.ProjectFault:
    reason = " ".join(str(exc).split())
    return faults.ProjectFault("config-unreadable", f"{path} cannot be read: {reason}.", "Correct the file.")
