"""The service's code, file by file, as preflight tells it to the operator's side."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.runtime import facts
from stillroom.runtime.readiness import preflight_sources

_MODULE = "models_of_a_mounted_configmap"
_TEXT = b"TABLES = ()\n"


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A service's folder as Kubernetes mounts a ConfigMap, its module imported: each file is a link behind a link."""
    content = tmp_path / "app" / "..2026_11_22_20_00_00.1"
    content.mkdir(parents=True)
    (content / f"{_MODULE}.py").write_bytes(_TEXT)
    (tmp_path / "app" / "..data").symlink_to(content.name)
    (tmp_path / "app" / f"{_MODULE}.py").symlink_to(f"..data/{_MODULE}.py")
    monkeypatch.syspath_prepend(tmp_path / "app")
    importlib.import_module(_MODULE)
    yield tmp_path / "app"
    del sys.modules[_MODULE]


def test_links_have_the_names_under_which_they_are_known(mounted: Path) -> None:
    """Not those of what is behind them, which only Kubernetes knows."""
    found = preflight_sources.digests(facts.ServiceFacts("shop", str(mounted), None, models=(_MODULE,)), None)
    assert found["files"] == {f"{_MODULE}.py": preflight_sources.digest(_TEXT)}


def test_a_folder_that_is_a_link_itself(mounted: Path) -> None:
    """What was imported by the real path is found by the folder's other name."""
    other = mounted.parent / "service"
    other.symlink_to(mounted)
    found = preflight_sources.digests(facts.ServiceFacts("shop", str(other), None, models=(_MODULE,)), None)
    assert found["files"] == {f"{_MODULE}.py": preflight_sources.digest(_TEXT)}
