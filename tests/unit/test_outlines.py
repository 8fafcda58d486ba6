"""The store of outlines: a cache that may vanish, and never says anything else than the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stillroom.history import outlines
from stillroom.runtime.reading import revision_file

SOURCE = b"""\
'''first'''
from alembic import op
import app.models
revision = "a"
down_revision = ("x", "y")
branch_labels = "left"
depends_on = cli.FIRST


def upgrade():
    op.create_table("account", schema="audit")
    op.create_index("ix", "account")


def downgrade():
    pass
"""


def files(*named: tuple[str, bytes]) -> list[revision_file.File]:
    """Files of this name and content."""
    return [revision_file.File(f"/versions/{name}", name, source) for name, source in named]


def told(found: object) -> object:
    """Everything that a revision and its outline say."""
    return (found, found.outline) if isinstance(found, revision_file.Revision) else found


def stored(state: Path) -> dict[str, dict[str, object]]:
    """What the store holds."""
    found: dict[str, dict[str, object]] = json.loads((state / outlines.STORE).read_text())
    return found


def test_what_is_remembered_is_what_was_read(tmp_path: Path) -> None:
    """Head, outline, lines: the second time nothing is different, and nothing is written."""
    given = files(("one.py", SOURCE), ("two.py", SOURCE), ("broken.py", b"revision = 'b'\ndown_revision = ("))
    first = outlines.read(given, tmp_path, 1)
    before = (tmp_path / outlines.STORE).stat().st_mtime_ns
    second = outlines.read(given, tmp_path, 1)
    assert [told(each) for each in second] == [told(each) for each in first]
    assert (tmp_path / outlines.STORE).stat().st_mtime_ns == before
    assert len(stored(tmp_path)["files"]) == 2


def test_it_is_really_the_store_that_is_asked(tmp_path: Path) -> None:
    """A mark that only the store has comes back."""
    given = files(("one.py", SOURCE))
    outlines.read(given, tmp_path, 1)
    path = tmp_path / outlines.STORE
    path.write_text(path.read_text().replace("first", "from the store"))
    found = outlines.read(given, tmp_path, 1)[0]
    assert isinstance(found, revision_file.Revision)
    assert found.message == "from the store"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"reader": "other", "files": {}}', '{"files": 1}', "null"])
def test_a_damaged_store_is_read_past(tmp_path: Path, damage: str) -> None:
    """The files say it again, and the store is whole afterwards."""
    given = files(("one.py", SOURCE))
    first = outlines.read(given, tmp_path, 1)
    (tmp_path / outlines.STORE).write_text(damage)
    assert [told(each) for each in outlines.read(given, tmp_path, 1)] == [told(each) for each in first]
    assert len(stored(tmp_path)["files"]) == 1


@pytest.mark.parametrize("entry", [None, 1, [], [1, 2, 3, 4, 5], [[], [], [], [], []], "text"])
def test_a_damaged_entry_is_read_again(tmp_path: Path, entry: object) -> None:
    """One that is of another form than ours counts as none."""
    given = files(("one.py", SOURCE))
    first = outlines.read(given, tmp_path, 1)
    store = stored(tmp_path)
    store["files"] = dict.fromkeys(store["files"], entry)
    (tmp_path / outlines.STORE).write_text(json.dumps(store))
    assert [told(each) for each in outlines.read(given, tmp_path, 1)] == [told(each) for each in first]


def test_a_file_that_changed_is_another_file(tmp_path: Path) -> None:
    """The content is the key, and the name, from which an old id may come; other services' files stay known."""
    outlines.read(files(("one.py", SOURCE)), tmp_path, 1)
    found = outlines.read(files(("one.py", SOURCE.replace(b'"a"', b'"b"'))), tmp_path, 1)[0]
    assert isinstance(found, revision_file.Revision)
    assert found.id == "b"
    legacy = SOURCE.replace(b'revision = "a"\n', b"", 1)
    ids = [each.id for each in outlines.read(files(("1a.py", legacy), ("2b.py", legacy)), tmp_path, 1)]  # type: ignore[union-attr]
    assert ids == ["1a", "2b"]
    assert len(stored(tmp_path)["files"]) == 4


def test_where_nothing_can_be_kept_it_is_read_all_the_same(tmp_path: Path) -> None:
    """A file stands where the folder would be."""
    state = tmp_path / "state"
    state.write_text("")
    assert len(outlines.read(files(("one.py", SOURCE)), state, 1)) == 1
