"""What is kept of what watches see: the Jobs that somebody waits for, and no others."""

from __future__ import annotations

import pytest

from stillroom import errors
from stillroom.rollout import board, judging
from tests.unit import rollout_objects as kube

_NAME = "auth-migration-0a1b2c3d"
_KEY = ("shop", _NAME)
_JOB = judging.Job.from_object(kube.job())
_POD = judging.Pod.from_object(kube.pod(kube.running("migration")))


@pytest.fixture
def waiting() -> board.Board:
    """A board on which somebody waits for one Job, which was just applied."""
    made = board.Board()
    made.expect(_KEY)
    made.applied(_KEY, _JOB)
    return made


def seen(found: board.Board) -> board.Seen:
    """What is known of it now."""
    return found.wait(_KEY, -1, 0)


def test_thousands_of_other_jobs_leave_nothing_behind() -> None:
    """A fleet of 5,000 with one Job that runs is as much to hold as a fleet of one."""
    found = board.Board()
    found.expect(_KEY)
    for at in range(5000):
        found.job(("shop", f"s{at}"), judging.Job.from_object(kube.job("Complete", name=f"s{at}")))
        found.pod("shop", judging.Pod(f"p{at}", f"s{at}", "Succeeded", False, ()))
    assert list(found._seen) == [_KEY]
    assert seen(found) == board.Seen()
    found.forget(_KEY)
    assert (found._seen, found._waiting) == ({}, {})


def test_what_happens_to_it_is_seen(waiting: board.Board) -> None:
    """Each change is a new version; what changes nothing is none."""
    first = seen(waiting)
    waiting.pod("shop", _POD)
    waiting.pod("shop", _POD)
    waiting.job(_KEY, judging.Job.from_object(kube.job("Complete")))
    last = waiting.wait(_KEY, first.version, 0)
    assert last.version == first.version + 2
    assert last.job is not None
    assert (last.job.complete, last.pods) == (True, (_POD,))
    waiting.pods_listed("shop", [])
    assert seen(waiting).pods == ()


def test_an_older_job_of_that_name_is_another_one(waiting: board.Board) -> None:
    """Its end, and its deletion, which a watch tells late."""
    old = judging.Job.from_object(kube.job("Failed:X", uid="u-0"))
    waiting.job(_KEY, old)
    waiting.job(_KEY, old, deleted=True)
    assert seen(waiting).job == _JOB
    waiting.job(_KEY, _JOB, deleted=True)
    assert (seen(waiting).job, seen(waiting).gone) == (None, True)


def test_a_list_without_it_is_a_doubt(waiting: board.Board) -> None:
    """The list may be older than the Job: it is asked for, and not taken for deleted."""
    waiting.listed("shop", {_NAME: "u-1"})
    assert not seen(waiting).doubtful
    waiting.listed("elsewhere", {})
    assert not seen(waiting).doubtful
    waiting.listed("shop", {})
    assert (seen(waiting).doubtful, seen(waiting).gone) == (True, False)
    waiting.job(_KEY, _JOB)
    assert not seen(waiting).doubtful


def test_whoever_waits_fails_when_watching_does(waiting: board.Board) -> None:
    """With the first reason."""
    waiting.fail(errors.StillroomError("first"))
    waiting.fail(errors.StillroomError("second"))
    with pytest.raises(errors.StillroomError, match="first"):
        seen(waiting)
