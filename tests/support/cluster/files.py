"""A pod's folder: its volumes, and how paths inside a container lead to them.

A local process sees this machine's files, so a path that a pod mounts something at is replaced, wherever a command, an
argument or a variable's value names it, by the place where the volume really lies. A program that has the path written
in itself is not helped by that.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CopyOf", "Paths", "Unmountable", "fill", "rootfs"]

_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".stillroom", ".pytest_cache")
CopyOf = Callable[[str, str], Mapping[str, Any] | None]
"""Kind (ConfigMap or Secret) and name to the object of the pod's namespace, or None."""


class Unmountable(Exception):
    """A volume can't be made; the text is the kubelet's."""


class Paths:
    """Where a container's paths lie on this machine."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = {path.rstrip("/"): place for path, place in places.items()}
        longest_first = sorted(self._places, key=len, reverse=True)
        mounts = "|".join(re.escape(path) for path in longest_first)
        self._pattern = re.compile(rf"(?<![\w./-])({mounts})(/[^:;,\s'\"]*)?(?=$|[:;,\s'\")])")

    def real(self, text: str) -> str:
        """The text, with each mounted path that it names replaced.

        What lies below a mount and exists on this machine is meant as it is: tests have their own files in `/tmp`.
        """

        def replaced(match: re.Match[str]) -> str:
            path, rest = match[1], match[2] or ""
            return match[0] if rest and Path(match[0]).exists() else f"{self._places[path]}{rest}"

        return self._pattern.sub(replaced, text)

    def place(self, path: str) -> Path | None:
        """Where exactly that mount lies."""
        return self._places.get(path.rstrip("/"))


def rootfs(folder: Path, source: Path | None) -> Path:
    """A container's own copy of its image's folder."""
    if source is None:
        folder.mkdir(parents=True)
    else:
        shutil.copytree(source, folder, symlinks=True, ignore=_NOT_COPIED)
    return folder


def fill(volume: Mapping[str, Any], folder: Path, copy_of: CopyOf, namespace: str) -> None:
    """Makes a volume's folder. Raises `Unmountable`."""
    if "projected" in volume:
        sources = volume["projected"].get("sources", [])
    else:
        sources = [{kind: value for kind, value in volume.items() if kind != "name"}]
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        ((kind, how),) = source.items() if source else (("emptyDir", {}),)
        for name, content in _content(kind, how or {}, copy_of, namespace).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _content(kind: str, how: Mapping[str, Any], copy_of: CopyOf, namespace: str) -> dict[str, bytes]:
    if kind == "emptyDir":
        return {}
    if kind == "serviceAccountToken":
        return {how.get("path", "token"): b"token of a loopback cluster"}
    if kind not in ("configMap", "secret"):
        raise Unmountable(f"this cluster has no volumes of kind {kind}")
    title = "ConfigMap" if kind == "configMap" else "Secret"
    name = how.get("secretName") or how.get("name", "")
    found = copy_of(title, name)
    if found is None:
        if how.get("optional"):
            return {}
        raise Unmountable(f'{kind.lower()} "{name}" not found')
    content = {key: text.encode() for key, text in (found.get("data") or {}).items()} if kind == "configMap" else {}
    encoded = (found.get("binaryData") if kind == "configMap" else found.get("data")) or {}
    content |= {key: base64.b64decode(text) for key, text in encoded.items()}
    return _items(how, content, namespace, name)


def _items(how: Mapping[str, Any], content: dict[str, bytes], namespace: str, name: str) -> dict[str, bytes]:
    if "items" not in how:
        return content
    missing = [each["key"] for each in how["items"] if each["key"] not in content]
    if missing and not how.get("optional"):
        raise Unmountable(f"references non-existent config key: {missing[0]} ({namespace}/{name})")
    return {each["path"]: content[each["key"]] for each in how["items"] if each["key"] in content}
