"""Commands in a terminal: they ask, they show what happens while it happens, and they fit."""

from __future__ import annotations

import pytest

from tests.support import fleets
from tests.support.postgres import Role


def test_questions_are_asked_and_answers_taken(auth: fleets.Fleet, owner: Role) -> None:
    """No, nothing at all, and yes; what is destroyed is shown before."""
    database = auth.databases["auth"]
    database.execute("CREATE TABLE account (id int); INSERT INTO account VALUES (1), (2)", role=owner)
    for answer in ("n\n", "\n", "\x04"):
        with auth.program.terminal("cleanup", "--skip-backup") as terminal:
            terminal.expect("public.account")
            terminal.expect("2 rows")
            terminal.expect(f"/{database.name}? [y/N] ")
            terminal.type(answer)
        assert terminal.ran.code == 4, terminal.ran.told
        assert "not confirmed; nothing was done" in terminal.ran.stdout
    assert database.fetch("SELECT count(*) FROM account") == [(2,)]
    with auth.program.terminal("cleanup", "--skip-backup") as terminal:
        terminal.expect("[y/N] ")
        terminal.type("y\n")
    assert terminal.ran.code == 0, terminal.ran.told
    assert "1 of 1 services emptied" in terminal.ran.stdout


def test_preflight_errors_are_shown_and_asked_about(auth: fleets.Fleet) -> None:
    """In a terminal a run may go on in spite of them; no is the default."""
    auth.services["auth"].write("app/models.py", "import a_package_that_nobody_has\n")
    with auth.program.terminal("regenerate") as terminal:
        terminal.expect("pip install a_package_that_nobody_has")
        terminal.expect("Go on in spite of them? [y/N] ")
        terminal.type("n\n")
    assert terminal.ran.code == 4, terminal.ran.told
    with auth.program.terminal("regenerate") as terminal:
        terminal.expect("Go on in spite of them? [y/N] ")
        terminal.type("y\n")
    assert terminal.ran.code == 1, terminal.ran.told


def test_ctrl_c_at_a_question_and_in_a_run(auth: fleets.Fleet) -> None:
    """Both are 130, at once, and leave nothing."""
    with auth.untouched():
        with auth.program.terminal("regenerate", "--apply") as terminal:
            terminal.expect("upgrade the databases of 1 service. Go on? [y/N] ")
            terminal.type("\x03")
        assert terminal.ran.code == 130, terminal.ran.told
        with auth.program.terminal("regenerate") as terminal:
            terminal.expect("regenerate  0/1")
            terminal.type("\x03")
        assert terminal.ran.code == 130, terminal.ran.told
        assert "✗ interrupted; not done: auth" in terminal.ran.stdout
    assert auth.leftovers() == []


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_a_run_shows_its_steps_and_ends_in_a_table_that_fits(shop: fleets.Fleet, columns: int) -> None:
    """A line a service while it works; then everything whole, in lines no longer than the terminal."""
    with shop.program.terminal("regenerate", columns=columns) as terminal:
        terminal.expect("preflight")
        terminal.expect("regenerate  0/2")
        terminal.expect("…  auth")  # which steps come up depends on how quick they are
        terminal.expect("regenerate  2/2")
    assert terminal.ran.code == 0, terminal.ran.told
    shown = terminal.ran.stdout[terminal.ran.stdout.rindex("regenerate  2/2") :]
    for name in ("auth", "sales"):
        assert next(iter(shop.history(name))).partition("_")[0] in shown
    assert "…" not in shown.partition("tables")[2]
    assert max(len(line) for line in shown.splitlines()) <= columns


def test_long_lines_break_between_words(auth: fleets.Fleet) -> None:
    """Errors with their mends, in eighty columns."""
    with auth.program.terminal("preflight", columns=80, variables={"AUTH_DATABASE_URL": ""}) as terminal:
        terminal.expect("preflight found errors")
    assert terminal.ran.code == 3, terminal.ran.told
    lines = [line.rstrip() for line in terminal.ran.stdout.splitlines()]
    assert "      → export AUTH_DATABASE_URL=postgresql+asyncpg://user@host:5432/database," in lines
    assert "        or correct url_variable: in services.yaml (url: there has other ways)" in lines
