"""A container made from its image and what the pod says: folder, variables, command, mounts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.cluster import environment, files
from tests.support.cluster.images import Image
from tests.support.cluster.units import Made

__all__ = ["TERMINATION_LOG", "command", "made", "real_command"]

TERMINATION_LOG = "/dev/termination-log"


def made(
    pod: Mapping[str, Any],
    spec: Mapping[str, Any],
    image: Image,
    folder: Path,
    copy_of: files.CopyOf,
    address: tuple[str, int],
) -> Made:
    """Makes the container's files and works out its variables and command; starts nothing.

    Args:
        folder: of the pod; volumes lie in its `volumes`.

    Raises:
        environment.Misconfigured: a ConfigMap, Secret or key is missing.
        NoProgram: the image has no such program.
    """
    said = environment.resolved(pod, spec, copy_of)
    own = Path(tempfile.mkdtemp(prefix=f"{spec['name']}-", dir=folder))
    root = files.rootfs(own / "root", image.folder)
    temporary = own / "tmp"
    temporary.mkdir()
    message = own / "termination-log"
    message.touch()
    places = {spec.get("terminationMessagePath", TERMINATION_LOG): message} | {
        mount["mountPath"]: folder / "volumes" / mount["name"] / mount.get("subPath", "")
        for mount in spec.get("volumeMounts", [])
    }
    paths = files.Paths(places)
    variables = _base(pod, image, root, paths.place("/tmp") or temporary, address)  # noqa: S108 - a path in the container
    variables |= {name: paths.real(text) for name, text in (*image.env.items(), *said.items())}
    words = [paths.real(environment.expanded(word, variables)) for word in command(spec, image)]
    if words and words[0] not in image.entrypoint[:1]:
        words[0] = image.program(words[0])
    return Made(image, _inside(root, spec), variables, words, message, paths)


def command(spec: Mapping[str, Any], image: Image) -> list[str]:
    """Command and arguments: the pod's command, else the image's entrypoint; none: it idles."""
    first = list(spec.get("command") or image.entrypoint)
    return [*first, *spec.get("args", [])] if first else list(spec.get("args", []))


def real_command(within: Made, words: list[str]) -> list[str]:
    """What an exec starts. Raises `NoProgram`."""
    return [within.image.program(words[0]), *(within.paths.real(word) for word in words[1:])]


def _inside(root: Path, spec: Mapping[str, Any]) -> Path:
    """The working directory: a `workingDir` is looked for in the copy of the image."""
    wanted = spec.get("workingDir")
    inside = root / wanted.lstrip("/") if wanted else root
    return inside if inside.is_dir() else root


def _base(
    pod: Mapping[str, Any], image: Image, root: Path, temporary: Path, address: tuple[str, int]
) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join((str(Path(image.python).parent), "/usr/local/bin", "/usr/bin", "/bin")),
        "LANG": "C.UTF-8",
        "HOME": str(root),
        "TMPDIR": str(temporary),
        "HOSTNAME": pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": address[0],
        "KUBERNETES_SERVICE_PORT": str(address[1]),
    }
