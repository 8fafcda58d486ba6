"""The JSON Schema of services.yaml, generated from `shape`: what editors complete, explain and underline.

`python -m stillroom.registry.json_schema` writes it anew after a change of `shape`; a test compares the committed file.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

from stillroom.registry import manifest_shape, shape

__all__ = ["PATH", "schema", "text", "write"]

PATH = Path(__file__).with_name("services.schema.json")

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOT_FOR_EDITORS = ("title", "discriminator")  # titles repeat the names; discriminator is OpenAPI's


def schema() -> dict[str, Any]:
    """The schema as data. Descriptions are the texts under the fields in `shape`."""
    generated = shape.FileShape.model_json_schema()
    parts = {shape.FileShape.__name__: generated, **generated["$defs"]}
    for name, fields in _descriptions().items():
        for field, description in fields.items():
            for part in _heirs(name):
                if field in parts.get(part, {}).get("properties", {}):
                    parts[part]["properties"][field]["description"] = description
    cleaned: dict[str, Any] = _cleaned(generated)
    return {"$schema": _DIALECT, "title": "The registry of a Stillroom fleet (services.yaml)", **cleaned}


def text() -> str:
    """The schema as the text of the committed file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """Write the committed file anew."""
    PATH.write_text(text(), encoding="utf-8")


def _descriptions() -> dict[str, dict[str, str]]:
    """Class to field to the text under the field. Read from the source, since keeping it at run time costs 30 ms."""
    found: dict[str, dict[str, str]] = {}
    nodes = [node for each in (shape, manifest_shape) for node in ast.parse(inspect.getsource(each)).body]
    for node in nodes:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, under in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(under, ast.Expr) and isinstance(under.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                words = str(under.value.value).split()  # type: ignore[attr-defined]  # a constant: `is_text`
                found.setdefault(node.name, {})[field.target.id] = " ".join(words)
    return found


def _heirs(name: str) -> list[str]:
    """The models that have the fields of the model `name`: itself, and those that inherit from it."""
    model = getattr(shape, name, None) or getattr(manifest_shape, name)
    return [name, *(heir.__name__ for heir in model.__subclasses__())]


def _cleaned(part: Any) -> Any:
    """Without what says nothing to an editor, and in one form whichever release of pydantic generated it."""
    if isinstance(part, list):
        return [_cleaned(item) for item in part]
    if isinstance(part, float) and part.is_integer():
        return int(part)
    if not isinstance(part, dict):
        return part
    kept = {key: _cleaned(value) for key, value in part.items() if not _is_noise(key, value, part)}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split())
    if "anyOf" in kept:
        kept["anyOf"] = [
            choice for one in kept["anyOf"] for choice in (one["anyOf"] if list(one) == ["anyOf"] else [one])
        ]
    return kept


def _is_noise(key: str, value: Any, part: dict[str, Any]) -> bool:
    if key == "default":
        return value in (None, [], {})
    if key == "enum":
        return "const" in part
    return key in _NOT_FOR_EDITORS and (key != "title" or isinstance(value, str))


if __name__ == "__main__":
    write()
