"""Passwords that a command prints: short-lived credentials of clouds and vaults. Kept in memory, for one run."""

from __future__ import annotations

import subprocess
import threading
from collections import defaultdict
from pathlib import Path

from stillroom.registry import model
from stillroom.secrets import Secret
from stillroom.targets import base

__all__ = ["Passwords"]

_SECONDS = 60.0


class Passwords:
    """Each service's password, asked for once."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[str, Secret] = {}

    def of(self, service: model.Service, folder: Path) -> Secret:
        """What the service's `password_command` prints.

        Args:
            service: one that has such a command.
            folder: where the command runs.

        Raises:
            base.TargetFailed: `password-command-failed`; with the program's name, and nothing that it printed.
        """
        with self._locks[service.name]:
            if service.name not in self._known:
                self._known[service.name] = self._ask(service, folder)
            return self._known[service.name]

    def _ask(self, service: model.Service, folder: Path) -> Secret:
        command = service.password_command or ("",)
        program = command[0]
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise _failed(service, f"{program} could not be started: {error.strerror or error}") from error
        with process:
            try:
                output, _ = process.communicate(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise _failed(service, f"{program} did not end within {self._seconds:g} s") from None
        if process.returncode != 0:
            raise _failed(service, f"{program} exited {process.returncode}")
        password = output.decode("utf-8", "replace").strip()
        if not password or len(password.splitlines()) > 1 or not password.isprintable():
            raise _failed(service, f"{program} did not print one line of text")
        return Secret(password)


def _failed(service: model.Service, why: str) -> base.TargetFailed:
    return base.TargetFailed(
        "password-command-failed",
        f"{service.name}: its password_command failed: {why}",
        "run the command by hand where services.yaml is (what it prints is not shown here); log in first where it asks "
        "for that, or correct password_command: in services.yaml",
    )
