"""Revision files as they go into a result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

__all__ = ["digests", "entry"]


def entry(name: str, content: bytes) -> dict[str, Any]:
    """A file, whole: its name, size in bytes, SHA-256 (hexadecimal), and content."""
    return {
        "name": name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": content.decode("utf-8"),
    }


def digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    """The history that was worked with, by SHA-256, so that nobody else's changes are overwritten."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
