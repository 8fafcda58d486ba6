"""Whether what revision files import is there, without running one of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stillroom.runtime import facts
from stillroom.runtime.readiness import preflight_findings, preflight_imports
from stillroom.runtime.reading import revisions

HEAD = "revision = 'one'\ndown_revision = None\n"
UP = "def upgrade():\n    import nobody_has_this_inside\n"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> facts.ServiceFacts:
    """A service with a package `stillroom_own` of its own."""
    package = tmp_path / "stillroom_own"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text("")
    (package / "tools.py").write_text("import nobody_has_this\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [each for each in sys.modules if each.startswith("stillroom_own")]:
        monkeypatch.delitem(sys.modules, name)
    return facts.ServiceFacts.from_dict(
        {"name": "shop", "path": str(tmp_path), "config": str(tmp_path / "alembic.ini"), "models": []}
    )


def said(service: facts.ServiceFacts, *lines: str) -> list[str]:
    """The messages on a history of one file with these lines on top."""
    found = preflight_findings.Findings()
    source = "".join(f"{line}\n" for line in lines) + HEAD + UP
    preflight_imports.judge(found, service, [revisions.parse(source, "one.py")])
    assert {each["level"] for each in found.to_list()} <= {"error"}
    return [each["message"] for each in found.to_list()]


def test_a_module_that_nobody_has_is_named_with_file_and_line(service: facts.ServiceFacts) -> None:
    """What a function imports is not: it may never run."""
    (message,) = said(service, "import os", "from nobody_has_this.inside import it")

    assert message == (
        "shop: one.py:2 imports nobody_has_this.inside, and there is no such module: Alembic can't load the history"
    )


@pytest.mark.parametrize(
    "line",
    [
        "import stillroom_own",
        "from stillroom_own.models import Base",
        "from . import beside",
        "import pytest",
        "import pytest.made_as_it_goes",
        "try:\n    import nobody_has_this\nexcept ImportError:\n    pass",
    ],
)
def test_what_is_there_or_may_be_there_is_not_accused(service: facts.ServiceFacts, line: str) -> None:
    """Others make modules as they go, and what a `try` guards may be missing."""
    assert said(service, line) == []


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("from stillroom_own.renamed import Base", "No module named 'stillroom_own.renamed'"),
        ("from stillroom_own import tools\nimport stillroom_own.tools", "No module named 'nobody_has_this'"),
    ],
)
def test_the_services_own_modules_have_to_import(service: facts.ServiceFacts, line: str, lacks: str) -> None:
    """A module that was renamed since is missing, also where its package is there; and so is what a module wants."""
    (message,) = said(service, line)

    assert ", as one.py:" in message and lacks in message
