"""Registries written for one test, and what is wrong with them as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stillroom.registry import load, model
from stillroom.registry.mistakes import WrongRegistry

__all__ = ["ANY_TIME", "HERE", "loaded", "mistakes", "written"]

ANY_TIME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For property tests: as many examples as find things, however slow the machine is just now."""

HERE = "defaults: {path: ., config: '{name}.ini'}\n"
"""Every service in the registry's own folder, so that no folders have to be made; one line."""


def written(folder: Path, text: str) -> Path:
    """`text` as services.yaml in `folder`."""
    file = folder / "services.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def loaded(folder: Path, text: str) -> model.Fleet:
    """The fleet that `text` means as services.yaml in `folder`."""
    return load.load(written(folder, text))


def mistakes(folder: Path, text: str) -> list[str]:
    """What is wrong with `text` as services.yaml in `folder`: `line:column  path: text`, in order."""
    with pytest.raises(WrongRegistry) as caught:
        loaded(folder, text)
    told = [f"{each.line}:{each.column}  {each.path}: {each.text}" for each in caught.value.mistakes]
    return [line.replace("  : ", "  ") for line in told]
