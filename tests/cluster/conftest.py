"""Fixtures: each test runs in a namespace of its own, of each cluster that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster import places
from tests.cluster.asking import Asking


def _asked() -> list[str]:
    return ["loopback", "real"] if os.environ.get(places.REAL) else ["loopback"]


@pytest.fixture(scope="session", params=_asked())
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[places.Place]:
    """A cluster."""
    if request.param == "real":
        yield places.real()
        return
    with places.loopback(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def namespace(place: places.Place) -> Iterator[str]:
    """A namespace, gone after the test."""
    with place.namespace() as name:
        yield name


@pytest.fixture
def ask(place: places.Place, namespace: str) -> Asking:
    """kubectl in that namespace."""
    return place.asking(namespace)
