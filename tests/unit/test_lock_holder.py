"""Who holds the migration lock, in words; and what a holder says of itself in its statements."""

from __future__ import annotations

import pytest

from stillroom.runtime.migrating import lock_holder
from stillroom.runtime.migrating.lock_holder import Holder, Seen

WORKING = Seen(8, "", "active", "CREATE INDEX i ON t (a)", 90, 60)


@pytest.mark.parametrize(
    ("holder", "told"),
    [
        (None, "a session that has ended since"),
        (Holder(7, "psql", "idle", "SELECT 1", 9, 4), "connected for 9 s, idle for 4 s, last query: SELECT 1"),
        (Holder(7, "psql", "active", "SELECT 1", 9, 4), "connected for 9 s, active for 4 s: SELECT 1"),
        (Holder(7, "psql", "", "", None, None), "session 7, application 'psql'"),
        (
            Holder(7, "stillroom migrate shop", "idle", "", 9, 0),
            "application 'stillroom migrate shop', connected for 9 s",
        ),
        (
            Holder(7, "m", "idle", "", 9, 0, "shop, revision a1", (WORKING,)),
            "connected for 9 s, at shop, revision a1; there session 8 is active for 60 s: CREATE INDEX i ON t (a)",
        ),
        (
            Holder(7, "m", "idle", "", 9, 0, "shop", (Seen(8, "", "", "", None, None),)),
            "at shop; there session 8 is not to be seen by this role",
        ),
    ],
)
def test_who_that_is(holder: Holder | None, told: str) -> None:
    """State, for how long, and the statement; what a role may not see is not made up."""
    assert lock_holder.described(holder).endswith(told)
    assert "None" not in lock_holder.described(holder)


def test_a_comment_stays_one() -> None:
    """Whatever a revision is called; nothing is said where nothing is under way."""
    assert lock_holder.comment("shop, revision */ DROP", {9, 8}) == (
        "/* stillroom migrates: shop, revision  DROP; sessions: 8 9 */ "
    )
    assert lock_holder.comment("shop", set()) == "/* stillroom migrates: shop */ "
    assert lock_holder.comment("", {8}) == ""
