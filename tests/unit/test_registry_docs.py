"""docs/registry.md: its examples are loaded, its tables hold every key and every default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stillroom import errors
from stillroom.registry import formats, load, positions, shape
from tests.unit import registry_help

_TEXT = (Path(__file__).parents[2] / "docs" / "registry.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
_WRONG = re.findall(r"^```yaml wrong\n(.*?)^```$.*?^```text\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
_ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", _TEXT, re.MULTILINE)}


def _make_folders(root: Path, text: str) -> None:
    for name in positions.read(text).data["services"]:
        for parent in ("services", "backend"):
            (root / parent / name).mkdir(parents=True)


@pytest.mark.parametrize("text", _EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_every_example_loads(text: str, tmp_path: Path) -> None:
    """With its services' folders in place, each example is a registry without a mistake."""
    _make_folders(tmp_path, text)
    assert registry_help.loaded(tmp_path, text).services


@pytest.mark.parametrize(("text", "told"), _WRONG)
def test_the_wrong_example_is_told_as_printed(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page prints is what people get, word for word."""
    _make_folders(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(load.VARIABLE, raising=False)
    registry_help.written(tmp_path, text)
    with pytest.raises(errors.RegistryError) as caught:
        load.load()
    assert caught.value.detail == told.rstrip("\n")


def test_the_page_has_its_examples() -> None:
    """The patterns above find what the page holds."""
    assert (len(_EXAMPLES), len(_WRONG)) == (9, 1)


@pytest.mark.parametrize(
    "model",
    [shape.FileShape, shape.ServiceShape, shape.LocalEnvironment, shape.KubernetesEnvironment, shape.SshEnvironment],
)
def test_every_key_has_its_row(model: Any) -> None:
    """No key is left out."""
    assert model.model_fields.keys() <= _ROWS.keys()


def test_no_row_is_about_a_key_that_does_not_exist() -> None:
    """Keys that are gone are gone from the page."""
    models = (
        shape.FileShape,
        shape.ServiceShape,
        shape.LocalEnvironment,
        shape.KubernetesEnvironment,
        shape.SshEnvironment,
    )
    assert set(_ROWS) == {key for model in models for key in model.model_fields}


def test_every_default_is_in_its_row() -> None:
    """Texts and numbers that hold when nothing is said are printed as such."""
    for key, field in shape.ServiceShape.model_fields.items():
        default = field.get_default()
        if isinstance(default, str | float | int):
            written = str(default).lower() if isinstance(default, bool) else str(default)
            written = f"{default:g}" if isinstance(default, float) else written
            rows = [row for row in re.findall(rf"^\| `{key}` \|.*$", _TEXT, re.MULTILINE) if f"`{written}`" in row]
            assert rows, key


def test_the_longest_name_is_the_one_told() -> None:
    """The limit on the page is the limit of the check."""
    assert f"at most {formats.LONGEST_NAME} characters" in _TEXT
