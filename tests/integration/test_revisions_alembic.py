"""Histories read from source against Alembic's own reading of the same files."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import alembic
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.runtime.projects import locations
from stillroom.runtime.reading import revisions

Node = tuple[tuple[str, ...], tuple[str, ...]]


def script_directory(folder: Path, **options: str) -> ScriptDirectory:
    """Alembic's reading of `folder/versions`."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    for name, value in options.items():
        config.set_main_option(name, value)
    return ScriptDirectory.from_config(config)


def write(folder: Path, name: str, id_: str, down: object, depends_on: object = None) -> None:
    """One revision file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(
        f"revision = {id_!r}\ndown_revision = {down!r}\ndepends_on = {depends_on!r}\n\n\ndef upgrade():\n    pass\n"
    )


def _dag(sizes: list[tuple[int, int]]) -> dict[str, Node]:
    """Nodes whose parents and dependencies stand before them: `sizes` picks them by number."""
    nodes: dict[str, Node] = {}
    for number, (parents, needs) in enumerate(sizes):
        earlier = list(nodes)
        down = tuple(earlier[bit] for bit in range(number) if parents >> bit & 1)[:3]
        depends_on = tuple(earlier[bit] for bit in range(number) if needs >> bit & 1 and earlier[bit] not in down)[:2]
        nodes[f"r{number}"] = (down, depends_on)
    return nodes


dags = st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=12).map(_dag)
names = st.sampled_from(["a", "b", "c", "d", "gone"])
tangles = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.tuples(st.tuples() | st.tuples(names) | st.tuples(names, names), st.just(())),
)


@settings(max_examples=60, deadline=None)
@given(dags, st.randoms())
def test_heads_and_bases_of_any_history_are_alembics(nodes: dict[str, Node], shuffler) -> None:  # type: ignore[no-untyped-def]
    """Random histories with merges, several bases and dependencies, in files of any order."""
    with tempfile.TemporaryDirectory() as temporary:
        versions = Path(temporary, "versions")
        order = list(range(len(nodes)))
        shuffler.shuffle(order)
        for place, (id_, (down, depends_on)) in zip(order, nodes.items(), strict=True):
            write(versions, f"{place:02}_{id_}.py", id_, down or None, depends_on or None)
        theirs = script_directory(Path(temporary)).revision_map
        ours = revisions.read([versions])
        assert set(ours.heads) == set(theirs.heads)
        assert set(ours.bases) == set(theirs.bases)
        assert set(ours.effective_heads) == set(theirs._real_heads)
        assert ours.problems(len(theirs.heads)) == []
        done: set[str] = set()
        for each in ours.ordered():
            assert done >= set(ours.parents(each))
            done.add(each.id)
        assert done == set(nodes)
        assert ours.ancestors(ours.heads) == set(nodes)


@settings(max_examples=80, deadline=None)
@given(tangles)
def test_what_alembic_refuses_is_never_called_sound(nodes: dict[str, Node]) -> None:
    """Circles and missing parents: whenever Alembic fails, problems are named; what it loads is sound or a circle."""
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        versions = Path(temporary, "versions")
        versions.mkdir()
        for id_, (down, _) in nodes.items():
            write(versions, f"{id_}.py", id_, down or None)
        ours = revisions.read([versions])
        try:
            heads = len(script_directory(Path(temporary)).revision_map.heads)
        except Exception:  # noqa: BLE001 - whatever it is that Alembic fails with
            assert [each for each in ours.problems() if each.severity == "error"]
            return
        found = {each.code for each in ours.problems(heads)} - {"no-revisions"}
        assert found <= {"cycle"}


def test_the_same_files_are_loaded(tmp_path: Path) -> None:
    """Hidden files, `__init__`, editors' locks, links, `__pycache__`, subfolders, other suffixes: as Alembic does."""
    versions = tmp_path / "versions"
    write(versions, "a.py", "a", None)
    write(versions, ".hidden.py", "hidden", None)
    write(versions, "__init__.py", "init", None)
    write(versions, "__init__helper.py", "init2", None)
    write(versions, "c.py.orig", "orig", None)
    write(versions / "2024", "b.py", "b", "a")
    write(versions / "2024" / "__pycache__", "p.py", "p", "a")
    write(tmp_path / "shared", "linked.py", "linked", "a")
    (versions / ".#a.py").symlink_to("user@host.1234")
    (versions / "link.py").symlink_to(tmp_path / "shared/linked.py")
    (versions / "twice.py").symlink_to("a.py")
    for recursive in (False, True):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            theirs = script_directory(tmp_path, recursive_version_locations=str(recursive).lower())
            ids = {each.revision for each in theirs.walk_revisions()}
        ours = revisions.read([versions], recursive=recursive)
        assert {each.id for each in ours.revisions} == ids
        assert ours.faults == ()
    assert {each.name for each in ours.revisions} == {"a.py", ".hidden.py", "2024/b.py", "link.py"}


def test_a_linked_versions_folder_and_one_listed_twice_are_read_once(tmp_path: Path) -> None:
    """Through a link and by its own name, a file is one file."""
    write(tmp_path / "real", "a.py", "a", None)
    (tmp_path / "versions").symlink_to("real")
    found = revisions.read([tmp_path / "versions", tmp_path / "real"])
    assert [each.id for each in found.revisions] == ["a"]


def test_a_folder_that_is_missing_and_a_link_to_nowhere_are_told(tmp_path: Path) -> None:
    """The first is a warning, since Alembic passes it over; on the second Alembic fails."""
    versions = tmp_path / "versions"
    write(versions, "a.py", "a", None)
    (versions / "b.py").symlink_to("nowhere.py")
    found = revisions.read([tmp_path / "none", versions]).problems()
    assert [(each.code, each.severity) for each in found] == [("no-folder", "warning"), ("unreadable", "error")]
    assert "b.py cannot be read: No such file" in found[1].message
    with pytest.raises(ImportError):
        script_directory(tmp_path).get_heads()


def test_a_helper_without_a_revision_stops_alembic_and_is_named(tmp_path: Path) -> None:
    """Alembic refuses the whole folder for it; so the history is not sound."""
    write(tmp_path / "versions", "a.py", "a", None)
    (tmp_path / "versions/helpers.py").write_text("def add(): pass\n")
    assert [each.code for each in revisions.read([tmp_path / "versions"]).problems()] == ["not-a-revision"]
    with pytest.raises(Exception, match="Could not determine revision id"):
        script_directory(tmp_path).get_heads()


def test_several_processes_read_what_one_does(tmp_path: Path) -> None:
    """Bodies come back over pipes complete and in order; a broken file is told once."""
    versions = tmp_path / "versions"
    for number in range(300):
        write(versions, f"{number:03}.py", f"r{number}", f"r{number - 1}" if number else None)
        with (versions / f"{number:03}.py").open("a") as file:
            file.write("\n\ndef downgrade():\n    op.execute('DELETE FROM a')\n" + "# filled up\n" * 60)
    (versions / "150.py").write_text("revision = 'r150'\ndown_revision = 'r149'\n\ndef upgrade(:\n")
    several, one = revisions.read([versions], workers=4), revisions.read([versions], workers=1)
    later = revisions.read([versions])
    assert several.problems() == one.problems() == later.problems()
    assert [each.code for each in several.problems()] == ["does-not-parse"]
    assert several.heads == ("r299",)
    kept = [each for each in several.revisions if each.id != "r150"]
    assert all(each.body == later.by_id[each.id].body for each in kept)
    assert len([each for each in kept if "body" in each.__dict__]) == 299


def test_reading_never_runs_a_file(tmp_path: Path) -> None:
    """A file that would leave a mark leaves none."""
    mark = tmp_path / "mark"
    (tmp_path / "a.py").write_text(
        f"open({str(mark)!r}, 'w')\nrevision = 'a'\ndown_revision = None\nimport os; os._exit(9)\ndef upgrade(): pass\n"
    )
    assert revisions.read([tmp_path], workers=2).problems() == []
    assert not mark.exists()


@pytest.mark.parametrize(
    "declared",
    [
        "version_locations = a b",
        "version_locations = a,b, c",
        "version_locations = a:b\npath_separator = os",
        "version_locations = a;b\nversion_path_separator = ;",
        "version_locations =\n    a\n    b\npath_separator = newline",
        "version_locations = %(here)s/a",
        "prepend_sys_path = .",
        "prepend_sys_path = a:b",
        "prepend_sys_path = a b:c, d",
        "prepend_sys_path = a b:c\npath_separator = :",
    ],
)
def test_lists_in_an_ini_file_are_split_as_alembic_splits_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    """Declared or legacy separators, for both lists."""
    if "\npath_separator" in declared and tuple(map(int, alembic.__version__.split(".")[:2])) < (1, 16):
        pytest.skip("`path_separator` came with Alembic 1.16")
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = m\n{declared}\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # Alembic puts the list in front of it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ScriptDirectory.from_config(Config(str(ini)))
    prepended = sys.path[: len(sys.path) - len(before)]
    ours = locations.locations(ini)
    assert [str(each) for each in ours.version_locations] == [str(each) for each in theirs._version_locations]
    assert [Path(each) for each in ours.prepend_sys_path] == [tmp_path / each for each in prepended]
