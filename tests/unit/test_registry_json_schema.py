"""The JSON Schema that editors use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stillroom.registry import json_schema, positions, shape

_ROOT = Path(__file__).parents[2]
_SAMPLES = Path(__file__).with_name("registry_samples")
# Mistakes of the shape; the others are about what names mean, which a schema cannot say.
_SEEN_BY_EDITORS = ("unknown_key", "key_of_", "setting_of_", "type_", "out_of_range", "unknown_choice", "no_services")


def _mistakes(text: str) -> list[Any]:
    return list(jsonschema.Draft202012Validator(json_schema.schema()).iter_errors(positions.read(text).data))


def test_the_committed_file_is_true() -> None:
    """It is what the models generate; `python -m stillroom.registry.json_schema` writes it anew."""
    assert json_schema.PATH.read_text(encoding="utf-8") == json_schema.text()


def test_the_schema_is_one() -> None:
    """It follows its own dialect."""
    jsonschema.Draft202012Validator.check_schema(json_schema.schema())


def test_the_example_points_editors_at_the_schema_and_keeps_to_it() -> None:
    """The registry of the example fleet is valid, and its first line names the committed file."""
    text = (_ROOT / "services.yaml").read_text(encoding="utf-8")
    assert _mistakes(text) == []
    pointer = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (_ROOT / pointer).samefile(json_schema.PATH)


@pytest.mark.parametrize(
    "sample",
    [sample for sample in sorted(_SAMPLES.glob("*.yaml")) if sample.stem.startswith(_SEEN_BY_EDITORS)],
    ids=lambda sample: sample.stem,
)
def test_editors_see_mistakes_of_the_shape(sample: Path) -> None:
    """What loading refuses as unknown, of wrong type or out of range, the schema refuses, too."""
    assert _mistakes(sample.read_text(encoding="utf-8"))


def test_every_key_is_explained() -> None:
    """Editors have a description to show for every key of every mapping."""
    definitions = json_schema.schema()["$defs"] | {"file": json_schema.schema()}
    models = (
        shape.ServiceShape,
        shape.LocalEnvironment,
        shape.KubernetesEnvironment,
        shape.SshEnvironment,
    )
    for model in models:
        properties = definitions[model.__name__]["properties"]
        assert properties.keys() == model.model_fields.keys()
        assert all(len(each["description"]) > 20 for each in properties.values())
    assert all(each["description"] for each in definitions["file"]["properties"].values())
