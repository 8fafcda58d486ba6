"""What a template means, held against what it gives: no value can change the structure.

A template is rendered with a neutral word in the place of each text, and parsed; then the words are put back into the
data. That is what is meant. What is rendered with the texts themselves has to parse to exactly this. Since most services
differ in nothing but texts, the neutral rendering is made once for all of them.

A team's template may ask for texts (`{% if service == "auth" %}`). Then words that can't change anything wherever they
stand (plain names) are left as they are, and the comparison is made for each service by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from stillroom.manifests.engine import Engine
from stillroom.manifests.problems import ManifestsWrong, Problem

__all__ = ["Meaning", "canonical", "parsed"]

_WORD = re.compile(r"zq(\d{5})qz")
_PLAIN = re.compile(r"[a-z]+(?:[-.][a-z0-9]+)*")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """Data as a text that is the same for the same data, and differs where a type does.

    Raises:
        TypeError, ValueError: it is not JSON's data.
    """
    return _ENCODER.encode(value)


def parsed(text: str) -> list[Any]:
    """The documents of a text; empty ones are left out.

    Stricter than PyYAML, and faster: JSON's types only, keys are texts, and none stands twice.

    Raises:
        yaml.YAMLError: it is not YAML, or more than JSON's data.
    """
    loader = _Loader(text)
    found = []
    try:
        while loader.check_node():
            found.append(_value(loader.get_node(), loader))
    except RecursionError:
        raise yaml.YAMLError("it contains itself, or is too deep") from None
    finally:
        loader.dispose()
    return [each for each in found if each is not None]


def _value(node: Any, loader: Any) -> Any:
    tag = node.tag.removeprefix(_TAG)
    if tag == "str":
        return node.value
    if tag == "map":
        return _mapping(node, loader)
    if tag == "seq":
        return [_value(each, loader) for each in node.value]
    if tag not in ("int", "float", "bool", "null"):
        raise yaml.YAMLError(
            f"line {node.start_mark.line + 1}: {node.value!r} is neither text nor number: put it in quotes"
        )
    return loader.construct_object(node)


def _mapping(node: Any, loader: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in node.value:
        key = _value(name, loader)
        if not isinstance(key, str) or key in found:
            why = "stands twice" if isinstance(key, str) else "is no text"
            raise yaml.YAMLError(f"line {name.start_mark.line + 1}: the key {key!r} {why}")
        found[key] = _value(each, loader)
    return found


class Meaning:
    """What templates mean; remembers it by structure.

    Args:
        engine: renders them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], list[Any]] = {}

    def documents(self, name: str, context: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """The documents that a template means for a context, and the neutral ones that tell their structure.

        Raises:
            ManifestsWrong: `template-wrong`.
        """
        words: list[str] = []
        neutral = _neutral(context, words, spare=False)
        key = (name, canonical(neutral))
        if key not in self._known:
            self._known[key] = self._read(name, self._engine.text(name, neutral))
        return _restored(self._known[key], words), self._known[key]

    def text(self, name: str, context: Mapping[str, Any], meant: list[Any]) -> tuple[str, list[Any]]:
        """The text for a context, and its documents, which are what is meant.

        Raises:
            ManifestsWrong: `template-wrong`, `structure-changed`.
        """
        text = self._engine.text(name, context)
        found = self._read(name, text)
        if _same(found, meant):
            return text, found
        words: list[str] = []
        neutral = self._read(name, self._engine.text(name, _neutral(context, words, spare=True)))
        if self._engine.has_own and _same(found, _restored(neutral, words)):
            return text, found
        raise ManifestsWrong(
            [
                Problem(
                    "structure-changed",
                    f"templates/{name}.j2",
                    f"a value changes the structure of what is rendered for {context.get('where', 'it')}",
                    "print every value through `| tojson`, and whole: `{{ value | tojson }}`, without quotes around it",
                )
            ]
        )

    def _read(self, name: str, text: str) -> list[Any]:
        try:
            found = parsed(text)
            canonical(found)
        except (yaml.YAMLError, TypeError, ValueError) as error:
            told = " ".join(str(error).split())
            mend = "correct the template: values go through `| tojson`, each key stands once"
            where = f"templates/{name}.j2"
            raise ManifestsWrong([Problem("template-wrong", where, f"it gives no YAML: {told}", mend)]) from error
        return found


def _same(found: list[Any], meant: list[Any]) -> bool:
    return canonical(found) == canonical(meant)


def _neutral(value: Any, words: list[str], *, spare: bool) -> Any:
    """The same with a word in the place of each text; the texts are added to `words`."""
    if isinstance(value, str):
        if spare and _PLAIN.fullmatch(value) and value not in _RESERVED:
            return value
        words.append(value)
        return f"zq{len(words) - 1:05d}qz"
    if isinstance(value, Mapping):
        return {key: _neutral(each, words, spare=spare) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_neutral(each, words, spare=spare) for each in value]
    return value


def _restored(value: Any, words: list[str]) -> Any:
    """The same with the texts in their places again, in keys as well."""
    if isinstance(value, str):
        return _WORD.sub(lambda found: words[int(found[1])], value) if "zq" in value else value
    if isinstance(value, dict):
        return {_restored(key, words): _restored(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_restored(each, words) for each in value]
    return value
