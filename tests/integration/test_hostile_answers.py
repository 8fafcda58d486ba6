"""Answers that are cut, altered, of somebody else, endless or absurd: each is an error with a mend, and in bounds.

The adversary speaks the protocol itself, or is a service's code that changes what the runtime in its process answers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.wire import protocol
from stillroom.targets import base, channel
from tests.integration.conftest import SHOP
from tests.support import fleets, projects

REQUEST = protocol.Request("r1", "generate", {"name": "auth"}, {}, time_limit=60.0)


class Recorded:
    """A process that has answered with these bytes and ended."""

    def __init__(self, answer: bytes, status: int | None = 0) -> None:
        self._requests, theirs = os.pipe()
        self.stdin: IO[bytes] = os.fdopen(theirs, "wb")
        self.stdout = _readable(answer)
        self.stderr = _readable(b"last words\n")
        self.status = status
        self.killed = False

    def wait(self, timeout: float) -> int | None:
        """See `base.Process`."""
        return self.status

    def kill(self) -> None:
        """See `base.Process`."""
        self.killed = True

    def trouble(self) -> base.TargetFailed | None:
        """See `base.Process`."""
        return None

    def close(self) -> None:
        """Closes its end."""
        os.close(self._requests)


def _readable(data: bytes) -> IO[bytes]:
    """A pipe that holds these bytes (less than it takes) and has no writer any more."""
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return os.fdopen(read, "rb")


class Started:
    """A program as a service's process."""

    def __init__(self, code: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr

    def wait(self, timeout: float) -> int | None:
        """See `base.Process`."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """See `base.Process`."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def trouble(self) -> base.TargetFailed | None:
        """See `base.Process`."""
        return None


def line(event: str, **fields: Any) -> bytes:
    """A line of an answer."""
    return json.dumps({"event": event, **fields}).encode() + b"\n"


def ended(body: bytes, exit_code: Any = 0, **changes: Any) -> bytes:
    """An answer with a right end marker, but for these changes."""
    marker = {"id": "r1", "exit": exit_code, "sha256": hashlib.sha256(body).hexdigest(), **changes}
    return body + line("end", **marker)


BEGUN = line("started", id="r1", pid=1) + line("step", step="upgrade")
WHOLE = ended(BEGUN + line("result", value={"tables": 3}))


def converse(answer: bytes, status: int | None = 0) -> dict[str, Any]:
    """The result that a recorded answer is taken for."""
    process = Recorded(answer, status)
    try:
        return channel.converse(process, REQUEST, channel.Quiet())
    finally:
        process.close()


def test_an_answer_cut_at_any_byte_is_lost_though_its_process_ended_well() -> None:
    """All positions of a small answer, exit status 0 each time; whole, it is taken."""
    assert converse(WHOLE) == {"tables": 3}
    for cut in range(len(WHOLE)):
        with pytest.raises(base.TargetFailed, match=r"the answer was lost: .*exit status 0") as caught:
            converse(WHOLE[:cut])
        assert caught.value.code == "answer-lost"
        assert caught.value.mend
        assert "last words" in caught.value.detail


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (WHOLE.replace(b'"tables": 3', b'"tables": 4'), "digest"),
        (WHOLE.replace(b'"tables": 3', b'"tab3les": '), "not JSON"),
        (WHOLE.replace(b"upgrade", b"upgarde"), "digest"),
        (ended(BEGUN + line("result", value={}), sha256="0" * 64), "digest"),
        (ended(BEGUN + line("result", value={}), sha256=None), "digest"),
        (BEGUN + line("result", value={}), "without its end marker"),
        (ended(BEGUN), "without a result"),
        (ended(line("started", id="r2") + line("result", value={}), id="r2"), "does not begin"),
        (ended(BEGUN + line("result", value={}), id="r2"), "another request"),
        (ended(BEGUN + line("started", id="r2") + line("result", value={}), id="r2"), "another request"),
        (ended(BEGUN + line("result", value={}), 1), "exit code 1 after its result"),
        (ended(BEGUN + line("error", error={"code": "x"}), 0), "exit code 0 after its error"),
        (ended(BEGUN + line("result", value={}), "0"), "no exit code"),
        (ended(BEGUN + line("result", value={}), exit_code=False), "no exit code"),
        (ended(BEGUN + line("result", value=[1])), "nothing that one can use"),
        (ended(BEGUN + line("result")), "nothing that one can use"),
        (ended(BEGUN + line("error", error="no"), 1), "nothing that one can use"),
        (ended(BEGUN + b'{"event": "result", "value": {"a": "\xff"}}\n'), "not JSON"),
        (ended(BEGUN + b'{"event": "result", "value": {"a": \xc3\x28}}\n'), "not JSON"),
        (ended(BEGUN + b'{"event": "result", "value": ' + b"[" * 50_000 + b"\n"), "not JSON"),
        (ended(BEGUN + b'{"event": "result", "value": {"n": ' + b"9" * 5000 + b"}}\n"), "not JSON"),
        (b"\0" * 4096, "without its end marker"),
        (b"", "without its end marker"),
    ],
)
def test_a_broken_answer_is_lost(answer: bytes, says: str) -> None:
    """Wrong digest, no end, of another request, contradicting itself, no JSON, no UTF-8: never a result."""
    with pytest.raises(base.TargetFailed, match=says) as caught:
        converse(answer)
    assert caught.value.code == "answer-lost"
    assert caught.value.mend


def test_an_object_too_deep_to_look_at_is_lost() -> None:
    """Deeper than Python likes, not too deep for JSON."""
    value: Any = {}
    for _ in range(sys.getrecursionlimit() - 250):
        value = {"a": value}
    with pytest.raises(base.TargetFailed, match="the answer was lost"):
        converse(ended(BEGUN + line("result", value=value)))


def test_a_result_that_lacks_a_field_is_lost_where_it_is_missed() -> None:
    """Also one further in; what is there can be had."""
    value = converse(ended(BEGUN + line("result", value={"files": [{"name": "a"}]})))
    assert value["files"][0]["name"] == "a"
    assert value.get("tables", 7) == 7
    for missed in (lambda: value["tables"], lambda: value["files"][0]["content"]):
        with pytest.raises(base.TargetFailed, match=r"lacks '(tables|content)'") as caught:
            missed()
        assert caught.value.mend


def test_an_error_of_any_shape_is_an_error() -> None:
    """What it should hold and does not is left out."""
    with pytest.raises(faults.Fault) as caught:
        converse(ended(BEGUN + line("error", error={"code": 3, "data": "x", "kind": []}), 1))
    assert caught.value.code == "3"


def test_a_process_that_is_still_there_after_a_broken_answer_is_killed() -> None:
    """It gets no second chance."""
    process = Recorded(b"hello\n", None)
    with pytest.raises(base.TargetFailed, match="the answer was lost: a line of the answer is not JSON"):
        channel.converse(process, REQUEST, channel.Quiet())
    assert process.killed
    process.close()


ENDLESS = """
import json, os, sys
kind = sys.argv[1]
out = lambda data: os.write(1, data)
out(json.dumps({"event": "started", "id": "r1"}).encode() + b"\\n")
if kind == "line":
    out(b'{"event": "result", "value": {"content": "')
    piece = b"x" * 65536
elif kind == "events":
    piece = b'{"event": "warning", "message": "x"}\\n' * 1800
else:
    piece = b'{"event": "step", "step": "' + b"x" * 60000 + b'"}\\n'
for _ in range(2**30 // len(piece)):
    left = piece
    while left:
        left = left[out(left):]
"""
BOUNDED = """
import resource, sys
from stillroom.targets import base, channel
from tests.integration import test_hostile_answers as here
process = here.Started(here.ENDLESS, sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
try:
    channel.converse(process, here.REQUEST, channel.Quiet())
except base.TargetFailed as error:
    print(error.code, error.message)
print(process.process.returncode)
"""


@pytest.mark.parametrize(
    ("kind", "says"), [("line", "longer than 134217728"), ("events", "more than 200000"), ("bytes", "larger than")]
)
def test_a_gigabyte_costs_neither_memory_nor_time(kind: str, says: str) -> None:
    """One line, tiny events, long events: refused by a process with 1 GB of address space and 20 s of processor."""
    ran = subprocess.run([sys.executable, "-c", BOUNDED, kind], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told, status = ran.stdout.splitlines()
    assert told.startswith("answer-lost generate: the answer was lost: ")
    assert says in told
    assert status != "0"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        'import os\nos.write(1, b\'{"event": "started", "id": "r1"}\\n\')\n'
        'while True: os.write(1, b\'{"event": "step", "step": "s"}\\n\')',
        "import time\ntime.sleep(600)",
    ],
    ids=["endless output", "endless events", "reads nothing"],
)
def test_what_never_ends_is_killed_at_the_time_limit(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much goes on arriving, and where not even the request is read."""
    monkeypatch.setattr(channel, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "MAX_EVENTS", 1 << 60)
    process = Started(code)
    long = dataclasses.replace(REQUEST, options={"x": "y" * 10_000_000}, time_limit=0.5)
    with pytest.raises(base.TargetFailed, match="did not end within its time limit") as caught:
        channel.converse(process, long, channel.Quiet())
    assert caught.value.code == "time-limit"
    assert caught.value.mend
    assert process.process.returncode == -signal.SIGKILL


LEAVES_ONE_BEHIND = """
import os
if os.fork() == 0:
    os.setsid()
    os.close(1)
    try:
        while True: os.write(2, b'x' * 65536)
    finally:
        os._exit(0)
os._exit(0)
"""


def test_something_that_goes_on_writing_does_not_hold_up_the_end() -> None:
    """The process ends, and leaves one behind that writes for ever; closing the pipe ends that one as well."""
    with pytest.raises(base.TargetFailed, match="without its end marker"):
        channel.converse(Started(LEAVES_ONE_BEHIND), REQUEST, channel.Quiet())


# In the service's process the runtime's own modules can be reached: so an `app/models.py` changes what they answer.
MEDDLING = """
import json, os, sys
protocol = next(each for each in list(sys.modules.values()) if hasattr(each, "AnswerWriter"))
true_event = protocol.AnswerWriter.event
def event(self, name, **fields):
    made = fields.get("value", {}).get("file") if name == "result" else None
    if made:
        content = made["content"]
        {change}
    true_event(self, name, **fields)
protocol.AnswerWriter.event = event
"""


@dataclasses.dataclass(frozen=True)
class Meddler:
    """What a service's code does to the answer, and what is told of it."""

    change: str
    says: str
    mend: str = ""


MEDDLERS: Mapping[str, Meddler] = {
    "a name that leads out": Meddler('made["name"] = "../x.py"', "'../x.py', which is no plain name", "file_template"),
    "an absolute name": Meddler('made["name"] = "/tmp/x.py"', "'/tmp/x.py', which is no plain name"),
    "the name of a helper": Meddler('made["name"] = "__init__.py"', "'__init__.py', which is no plain name"),
    "a name that is none": Meddler('made["name"] = None', "'None', which is no plain name"),
    "another digest": Meddler('made["sha256"] = "0" * 64', "arrived changed: its SHA-256"),
    "a digest that is none": Meddler('made["sha256"] = 0', "arrived changed: its SHA-256"),
    "swapped bytes": Meddler('made["content"] = content.replace("op", "po", 1)', "arrived changed: its SHA-256"),
    "a cut content": Meddler('made["content"] = content[:-9]', "bytes of the"),
    "no content": Meddler('made["content"] = ""', "Migration file is empty", "disk is not full"),
    "a gigabyte announced": Meddler('made["size"] = 1 << 30', "has 1073741824 bytes; a revision file may have"),
    "a size that is none": Meddler('made["size"] = "7"', "something else than a revision file"),
    "half a character": Meddler('made["content"] = content + chr(0xD800); made["size"] += 3', "arrived changed"),
    "another revision": Meddler('fields["value"]["revision"] = "other"', "not the 'other' that was made"),
    "no file": Meddler('fields["value"]["file"] = []', "something else than a revision file"),
    "half a file": Meddler('del made["sha256"]', "lacks 'sha256'"),
    "half an answer": Meddler('del fields["value"]["revision"]', "lacks 'revision'"),
    "exit 0 without a result": Meddler("os._exit(0)", "without its end marker, exit status 0", "--verbose"),
    "a result and no end": Meddler(
        "true_event(self, name, **fields); os._exit(0)", "without its end marker, exit status 0", "--verbose"
    ),
    "noise after the result": Meddler(
        'true_event(self, name, **fields); self._write(b"\\xff\\xfe\\n")', "is not JSON", "--verbose"
    ),
    "another request's": Meddler('self._id = "0" * 16', "the end marker belongs to another request"),
}


@pytest.fixture
def auth_with_history(auth: fleets.Fleet) -> Iterator[fleets.Fleet]:
    """The fleet `auth` with one old revision, and a file outside that nobody may touch."""
    auth.services["auth"].add(projects.revision("0001"))
    outside = auth.folder / "outside.py"
    outside.write_text("theirs\n")
    yield auth
    assert outside.read_text() == "theirs\n"


@pytest.mark.parametrize("kind", MEDDLERS)
def test_a_service_that_meddles_with_the_answer_loses_nothing(kind: str, auth_with_history: fleets.Fleet) -> None:
    """The whole command: exit code 1, the message with its mend, no file and no database touched, nothing left."""
    fleet, meddler = auth_with_history, MEDDLERS[kind]
    fleet.services["auth"].write_models(SHOP + MEDDLING.replace("{change}", meddler.change))
    with fleet.untouched():
        ran = fleet.run("regenerate", "--yes", "--skip-db-check")
    assert ran.code == 1, ran.told
    assert "✗ auth: " in ran.stderr
    assert meddler.says in ran.stderr.replace("\n    ", " "), ran.told
    assert "→ " in ran.stderr and meddler.mend in ran.stderr
    assert "fault of Stillroom itself" not in ran.stderr
    assert fleet.leftovers() == []
    assert not list((fleet.folder / ".stillroom").glob("replacements/*"))


@pytest.mark.parametrize("name", ["linked.py", "helpers.py"])
def test_a_baseline_takes_no_place_of_a_link_or_a_helper(name: str, auth_with_history: fleets.Fleet) -> None:
    """A target that names it so: refused, and what the link leads to stays as it is."""
    auth = auth_with_history.services["auth"]
    (auth.versions / "linked.py").symlink_to(auth_with_history.folder / "outside.py")
    auth.write("migrations/versions/helpers.py", "HELP = 1\n")
    auth.write_models(SHOP + MEDDLING.replace("{change}", f'made["name"] = {name!r}'))
    with auth_with_history.untouched():
        ran = auth_with_history.run(
            "regenerate", "--yes", "--ignore-preflight", "--accept-loss", "history:unreplayable"
        )
    assert ran.code == 1, ran.told
    assert f"{name} is there already, with another content; nothing was written" in ran.stderr.replace("\n    ", " ")


def test_a_revision_never_takes_the_place_of_another_file(auth: fleets.Fleet) -> None:
    """A target that names the new revision as an old one, or as a link leads: nothing is replaced."""
    made = auth.services["auth"]
    assert auth.run("regenerate", "--yes").code == 0
    [baseline] = made.history
    change = MEDDLING.replace("{change}", f'made["name"] = {baseline!r}')
    made.write_models(SHOP + projects.table("extra") + change)
    with auth.untouched():
        ran = auth.run("revision", "--message", "more")
    assert ran.code == 1, ran.told
    assert "is there already, with another content; nothing was written" in ran.stderr
    outside = auth.folder / "outside.py"
    (made.versions / "linked.py").symlink_to(outside)
    made.write_models(SHOP + projects.table("extra") + change.replace(baseline, "linked.py"))
    ran = auth.run("revision", "--message", "more", "--ignore-preflight")
    assert ran.code != 0, ran.told
    assert not outside.exists()
