"""The server's password: made once, kept in a file that only its owner can read, in the form that libpq reads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

__all__ = ["make", "read", "verifier"]


def make(path: Path, role: str) -> str:
    """Makes a password for `role` and writes it to `path` (a `.pgpass` file, mode 0600); the password."""
    password = secrets.token_urlsafe(24)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"*:*:*:{role}:{password}\n")
    fresh.replace(path)
    return password


def read(path: Path) -> str | None:
    """The password in the file that `make` wrote; None if there is no such file."""
    try:
        line = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return line.rpartition(":")[2] or None


def verifier(password: str) -> str:
    """What the server keeps instead of the password (SCRAM-SHA-256).

    One iteration: the many that are usual slow down guessing of passwords that people choose. This one has 192 random
    bits, and each iteration is paid by every connection (4096 of them: 3 ms).
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256$1:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
