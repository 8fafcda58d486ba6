"""Kills real processes at every step of a replacement, and reports what the next command finds.

Run as a program by the tests: a process of its own may fork as it likes, pytest's may not. It prints one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from stillroom.history import replace

_TOUCHES = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "os.truncate"})


class Scene:
    """A versions folder before and after one replacement.

    Args:
        old: number of revisions to replace by one.
        subfolder: new files also go into a folder that has to be made.
    """

    def __init__(self, root: Path, old: int, *, subfolder: bool) -> None:
        self.root = root
        self.template = root / "template"
        self.folder = root / "versions"
        self.state = root / "state"
        self.template.mkdir()
        for number in range(old):
            (self.template / f"{number:04}_change.py").write_text(f"revision = 'r{number}'\n")
        (self.template / "__init__.py").write_text("# a helper\n")
        (self.template / ".gitkeep").touch()
        (self.template / "same.py").write_text("revision = 'same'\n")
        self.put = {
            "baseline.py": b"revision = 'baseline'\n",
            "0000_change.py": b"other",
            "same.py": b"revision = 'same'\n",
        }
        if subfolder:
            self.put["2026/11/late.py"] = b"revision = 'late'\n"
        self.count = old - 20  # removals below this one are all alike
        self.remove = tuple(f"{number:04}_change.py" for number in range(1, old))
        self.old = self.look(self.template)
        self.new = {name: content for name, content in self.old.items() if name not in self.remove}
        self.new.update({name: content.decode() for name, content in self.put.items()})

    def set_up(self) -> None:
        """The folder as before, nothing in the state."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.template, self.folder, copy_function=os.link)  # renames never write through a link

    def look(self, folder: Path) -> dict[str, str]:
        """Every file and empty folder below `folder`."""
        found = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(folder))] = path.read_text()
            elif not any(path.iterdir()):
                found[str(path.relative_to(folder))] = "(empty folder)"
        return found

    def carry_out(self, checkpoint: Callable[[str], None]) -> None:
        """The replacement."""
        replace.carry_out(
            replace.Replacement("auth", self.folder, self.put, self.remove), self.state, checkpoint=checkpoint
        )

    def leftovers(self) -> list[str]:
        """Journals that are still there, in whatever form."""
        return [path.name for path in (self.state / "replacements").glob("*")] if self.state.exists() else []


def killed(step: int, work: Callable[[Callable[[str], None]], object], *, fine: bool) -> bool:
    """Run `work` in a child that is killed at its `step`-th step; whether it came that far.

    A step is a checkpoint, and, if `fine`, every moment at which Python is about to touch the file system.
    """
    pid = os.fork()
    if not pid:
        count = 0

        def tick(event: str, *_: object) -> None:
            nonlocal count
            if event in _TOUCHES or event.startswith("checkpoint "):
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        if fine:
            sys.addaudithook(tick)
        work(lambda name: tick(f"checkpoint {name}"))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the child failed at step {step}")
    return False


def judge(scene: Scene, recoveries: list[replace.Recovery]) -> str:
    """ "" if the folder is exactly old or exactly new, as was said, and nothing is left behind."""
    found = scene.look(scene.folder)
    said = [each.action for each in recoveries]
    if found not in (scene.old, scene.new):
        return f"mixed: {sorted(set(found.items()) ^ set(scene.new.items()))[:4]}"
    if said and found != (scene.old if said == ["undid"] else scene.new):
        return f"said {said}, found {'old' if found == scene.old else 'new'}"
    return f"left {scene.leftovers()}" if scene.leftovers() else ""


def once(scene: Scene, *, fine: bool, stride: int) -> dict[str, object]:
    """Kill at every step of the replacement (of many alike, at every `stride`-th), then recover."""
    wrong, actions, step = [], [], 0
    while True:
        scene.set_up()
        if not killed(step, scene.carry_out, fine=fine):
            break
        recoveries = replace.recover(scene.state)
        actions += [each.action for each in recoveries]
        verdict = judge(scene, recoveries)
        wrong += [f"step {step}: {verdict}"] if verdict else []
        step += stride if 10 < step < scene.count else 1
    if scene.look(scene.folder) != scene.new:
        wrong.append("a whole run did not give the new history")
    return {"steps": step, "wrong": wrong, "undid": actions.count("undid"), "finished": actions.count("finished")}


def twice(scene: Scene) -> dict[str, object]:
    """Kill at every checkpoint, kill the recovery at every one of its steps, then recover."""
    wrong, pairs, step = [], 0, 0
    while True:
        scene.set_up()
        if not killed(step, scene.carry_out, fine=False):
            break
        again = 0
        while True:
            scene.set_up()
            killed(step, scene.carry_out, fine=False)
            if not killed(again, lambda checkpoint: replace.recover(scene.state, checkpoint=checkpoint), fine=True):
                break
            verdict = judge(scene, replace.recover(scene.state))
            wrong += [f"steps {step}, {again}: {verdict}"] if verdict else []
            again += 1
            pairs += 1
        step += 1
    return {"steps": step, "pairs": pairs, "wrong": wrong}


def main(mode: str, old: int, subfolder: bool) -> None:
    """Run one mode and print what was found."""
    with tempfile.TemporaryDirectory() as temporary:
        scene = Scene(Path(temporary).resolve(), old, subfolder=subfolder)
        found = twice(scene) if mode == "twice" else once(scene, fine=mode == "fine", stride=12)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "subfolder")
