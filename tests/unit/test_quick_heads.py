"""The quick look at revision files: it sees what Alembic sees, or leaves the file to those who parse it."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from stillroom.runtime import faults
from stillroom.runtime.reading import revision_head
from stillroom.runtime.verifying import expected, quick

_TEMPLATE = '''"""first things

Revision ID: b2
Revises: a1
Create Date: 2026-11-22 10:00:00
"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = 'b2'
down_revision: Union[str, Sequence[str], None] = 'a1'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    op.execute("""
SELECT 'a revision = 1'
""")
'''
_SEEN = {
    "the template of alembic init": _TEMPLATE,
    "Windows line ends": _TEMPLATE.replace("\n", "\r\n"),
    "newer annotations": _TEMPLATE.replace("Union[str, Sequence[str], None]", "str | Sequence[str] | None"),
    "a merge": _TEMPLATE.replace("= 'a1'", "= ('a1', \"x9\")"),
    "a tuple of one": _TEMPLATE.replace("= 'a1'", "= ('a1',)"),
    "labels and dependencies": _TEMPLATE.replace(
        "branch_labels: Union[str, Sequence[str], None] = None", "branch_labels = ('l',)"
    ).replace("depends_on: Union[str, Sequence[str], None] = None", "depends_on = 'c3'  # why"),
    "no annotations, a base": "revision = 'b2'\ndown_revision = None\n",
    "a raw docstring with its own triple quotes":
        'r"""a "quoted" thing \\""" still"""\nrevision = "b2"\ndown_revision = "a1"\n',
    "a comment before the docstring": '# hello\n"""doc"""\nrevision = "b2"\ndown_revision = "a1"\n',
}  # fmt: skip
_LEFT = {
    "implicit concatenation": "revision = 'b' '2'\ndown_revision = 'a1'\n",
    "explicit concatenation": "revision = 'b' + '2'\ndown_revision = 'a1'\n",
    "in parentheses": "revision = (\n    'b2'\n)\ndown_revision = 'a1'\n",
    "a list": "revision = 'b2'\ndown_revision = ['a1']\n",
    "several targets": "rev = revision = 'b2'\ndown_revision = 'a1'\n",
    "tuple assignment": "revision, down_revision = 'b2', 'a1'\n",
    "two in one line": "revision = 'b2'; down_revision = 'a1'\n",
    "twice": "revision = 'b1'\nrevision = 'b2'\ndown_revision = 'a1'\n",
    "again below": "revision = 'b1'\ndown_revision = 'a1'\n\ndef upgrade(): pass\n\nrevision = 'b2'\n",
    "indented": "if True:\n    revision = 'b2'\n    down_revision = 'a1'\n",
    "from a name": "ID = 'b2'\nrevision = ID\ndown_revision = 'a1'\n",
    "a keyword argument": "dict(\nrevision='b2'\n)\ndown_revision = 'a1'\nrevision = 'b2'\n",
    "inside a text": "x = '''\nrevision = 'b1'\n'''\nrevision = 'b2'\ndown_revision = 'a1'\n",
    "a docstring that declares": '"""\nrevision = "b1"\n"""; revision = "b2"\ndown_revision = "a1"\n',
    "old Mac line ends": "revision = 'b2'\rdown_revision = 'a1'\r",
    "a line that goes on": "revision = \\\n    'b2'\ndown_revision = 'a1'\n",
    "another encoding": "# -*- coding: latin-1 -*-\nrevision = 'b2'\ndown_revision = 'a1'\n",
    "a prefix": "revision = u'b2'\ndown_revision = 'a1'\n",
    "an escape": "revision = 'b\\x32'\ndown_revision = 'a1'\n",
    "a triple-quoted id": "revision = '''b2'''\ndown_revision = 'a1'\n",
    "a byte order mark": "\ufeffrevision = 'b2'\ndown_revision = 'a1'\n",
    "an id of more than plain characters": "revision = 'b 2 ä'\ndown_revision = 'a1'\n",
}


@pytest.mark.parametrize("source", _SEEN.values(), ids=_SEEN.keys())
def test_usual_files_are_seen_at_once(source: str) -> None:
    """What the quick look sees is what parsing gives."""
    head = revision_head.read_head(source.encode(), "f.py")
    assert quick.look(source.encode()) == (head.id, head.down, head.depends_on, head.branch_labels)


@pytest.mark.parametrize("source", _LEFT.values(), ids=_LEFT.keys())
def test_other_files_are_left_to_parsing(source: str) -> None:
    """A file that could mean something else is not judged by a look; parsing reads the right id out of it."""
    assert quick.look(source.encode()) is None
    try:
        assert revision_head.read_head(source.encode(), "f.py").id.startswith("b")
    except revision_head.NotLiteral:  # under an `if`: that is asked of Alembic, see below
        assert source.startswith("if")


_LINES = st.sampled_from(
    [
        "revision = 'b2'", "revision = 'c3'", 'down_revision = "a1"', "down_revision = None", "depends_on = 'x'",
        "branch_labels = ('l',)", "", "# revision = 'z'", "import os", "from m import revision", "from m import *",
        "def upgrade():", "    revision = 'q'", "    pass", '"""', "x = '''", "'''", "revision += 'x'", "class A:",
        "revision: str = 'b2'", "if True:", "depends_on = 'x',", ")", "f(", "revision='b2'", "@dec", "global revision",
        "down_revision = ('a', 'b')", "depends_on = ('a' 'b')", "revision = None", "del revision",
    ]
)  # fmt: skip


@given(st.lists(_LINES, max_size=10), st.sampled_from(["\n", "\r\n"]))
def test_the_look_never_contradicts_parsing(lines: list[str], end: str) -> None:
    """Of any file: either the look leaves it, or parsing says the same, or the file is no revision to Alembic either."""
    source = (end.join(lines) + end).encode()
    found = quick.look(source)
    if found is None:
        return
    try:
        head = revision_head.read_head(source, "f.py")
    except SyntaxError:
        return  # Alembic can't load the folder, either, and says so; the look did not parse what is below
    assert found == (head.id, head.down, head.depends_on, head.branch_labels)


def _folder(path: Path, *sources: str) -> Path:
    versions = path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (path / "migrations" / "env.py").write_text("context.configure(connection=c)\n")
    (path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    for number, source in enumerate(sources):
        (versions / f"f{number}.py").write_text(source, encoding="utf-8", newline="")
    return path


def _by_alembic(path: Path) -> list[str]:
    script = ScriptDirectory.from_config(Config(str(path / "alembic.ini")))
    needed = {each for one in script.walk_revisions() for each in one._all_down_revisions}
    return sorted(one.revision for one in script.walk_revisions() if one.revision not in needed)


_BASE = "revision = 'a1'\ndown_revision = None\n\ndef upgrade(): pass\n"


@pytest.mark.parametrize("source", [*_SEEN.values(), *(each for name, each in _LEFT.items() if "Mac" not in name)])
def test_any_legal_form_gives_alembics_heads(tmp_path: Path, source: str) -> None:
    """Whatever form the assignments have, the heads are those that Alembic finds by running the files."""
    others = [f"revision = '{each}'\ndown_revision = None\n" for each in ("x9", "c3")]
    folder = _folder(tmp_path / "s", _BASE, source, *others)
    found = expected.expected(folder)
    assert list(found.heads) == _by_alembic(folder)
    assert (found.count, found.service) == (4, "s")


@pytest.mark.parametrize(
    "source",
    [
        "revision = str(1000 + 2)\ndown_revision = 'a1'\n",
        "revision = 'b2'\ndown_revision = ''.join(['a', '1'])\n",
        "revision = 'b2'\ndown_revision = 'a1'\ndepends_on = list(('a1',))\n",
        "import os\nrevision = os.environ.get('NOBODY_SETS_THIS', 'b2')\ndown_revision = 'a1'\n",
    ],
)
def test_a_computed_name_is_asked_of_alembic(tmp_path: Path, source: str) -> None:
    """Where only running a file tells who it is, Alembic runs it."""
    folder = _folder(tmp_path, _BASE, source + "\ndef upgrade(): pass\n")
    found = expected.expected(folder)
    assert list(found.heads) == _by_alembic(folder) != ["a1"]


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ((_BASE, _BASE), "duplicate-id"),
        ((_BASE, "revision = 'b2'\ndown_revision = 'gone'\n"), "missing-parent"),
        (("revision = 'a1'\ndown_revision = 'b2'\n", "revision = 'b2'\ndown_revision = 'a1'\n"), "cycle"),
        ((_BASE, "revision = 'b2'\ndown_revision = 'a1'\ndepends_on = 'gone'\n"), "unknown-dependency"),
        ((_BASE, "x = 1\n"), "not-a-revision"),
        ((_BASE, "revision = (\n"), "does-not-parse"),
    ],
)
def test_a_broken_history_has_no_heads(tmp_path: Path, sources: tuple[str, ...], code: str) -> None:
    """What leaves open which the heads are is an error by name, never a set of heads."""
    with pytest.raises(faults.ProjectFault) as caught:
        expected.expected(_folder(tmp_path, *sources))
    assert caught.value.code == code


def test_dependencies_and_labels_are_resolved(tmp_path: Path) -> None:
    """A head on which another one depends is no row of the version table; labels stand for their revision."""
    folder = _folder(
        tmp_path,
        "revision = 'a1'\ndown_revision = None\nbranch_labels = ('old',)\n",
        "revision = 'b2'\ndown_revision = None\ndepends_on = 'old'\n",
    )
    found = expected.expected(folder)
    assert found.heads == ("b2",) and found.graph.ancestors(["b2"]) == {"a1", "b2"}


def test_folders_that_are_not_there_hold_no_revision(tmp_path: Path) -> None:
    """An image without version files expects nothing; the file that Alembic passes over is passed over."""
    folder = _folder(tmp_path, _BASE)
    (folder / "migrations/versions/f0.py").rename(folder / "migrations/versions/__init__.py")
    assert expected.expected(folder).count == 0
    assert expected.of_folders([tmp_path / "nowhere"]).heads == ()


_CONFIGURE = "from alembic import context\ncontext.configure(connection=c{})\n"


@pytest.mark.parametrize(
    ("env", "table"),
    [
        (_CONFIGURE.format(""), ("alembic_version", None)),
        (_CONFIGURE.format(", version_table='v', version_table_schema='s'"), ("v", "s")),
        ("T = 'v'\n" + _CONFIGURE.format(", version_table=T"), ("v", None)),
        ("O = {'version_table': 'v'}\n" + _CONFIGURE.format(", **O"), ("v", None)),
    ],
)
def test_the_version_table_is_read_from_env(tmp_path: Path, env: str, table: tuple[str, str | None]) -> None:
    """As env.py says in constants, without running it."""
    folder = _folder(tmp_path, _BASE)
    (folder / "migrations/env.py").write_text(env)
    found = expected.expected(folder)
    assert (found.version_table, found.version_schema) == table


@pytest.mark.parametrize(
    "env", ["import shared\nshared.run()\n", _CONFIGURE.format(", version_table=name()"), _CONFIGURE.format(", **o()")]
)
def test_a_version_table_that_env_computes_is_not_guessed(tmp_path: Path, env: str) -> None:
    """It is an error that says how to declare it; and with that it is right."""
    folder = _folder(tmp_path, _BASE)
    (folder / "migrations/env.py").write_text(env)
    with pytest.raises(faults.ProjectFault) as caught:
        expected.expected(folder)
    assert caught.value.code == "version-table-unknown" and "STILLROOM_VERSION_TABLE" in caught.value.mend
    found = expected.expected(folder, version_table="v")
    assert (found.version_table, found.version_schema) == ("v", None)
