"""What Kubernetes' words and the runtime's exit codes mean, and what to do about each."""

from __future__ import annotations

from stillroom.runtime.migrating import exits
from stillroom.runtime.verifying import verdict

__all__ = ["REFUSED", "STUCK", "of_end"]

_PULL = "correct image: in services.yaml, push the image, or give the pod a pull secret; then run it again"
_CONFIG = "make the Secret, ConfigMap or key that is named (kubectl describe pod), then run it again"
_START = "correct the command, or what it mounts: kubectl describe pod tells more; then run it again"

STUCK: dict[str, tuple[str, str, str]] = {
    "ImagePullBackOff": ("image-pull", "the image can't be pulled", _PULL),
    "ErrImagePull": ("image-pull", "the image can't be pulled", _PULL),
    "ErrImageNeverPull": ("image-pull", "the image is not on the node, and may not be pulled", _PULL),
    "ImageInspectError": ("image-pull", "the image can't be read on its node", _PULL),
    "InvalidImageName": ("image-pull", "the image's name is none", _PULL),
    "CreateContainerConfigError": ("container-config", "the container can't be configured", _CONFIG),
    "CreateContainerError": ("container-start", "the container can't be made", _START),
    "RunContainerError": ("container-start", "the container can't be started", _START),
    "StartError": ("container-start", "the container can't be started", _START),
}
"""Why a container waits that nothing but a person ends: code, what it means, what to do."""

REFUSED = exits.REFUSED

_ENDS = {
    exits.WRONG: ("migration-failed", "the migration is wrong", "mend the revision, build a new image, apply that"),
    exits.TRY_AGAIN: (
        "migration-not-begun",
        "it could not connect, or got no lock, however often it was tried",
        "see what holds the lock, or keeps it from the database; then run it again",
    ),
    exits.REFUSED: ("migration-refused", "it refused, before anything was touched", "what it says tells what to do"),
    exits.TERMINATED: ("migration-terminated", "it was ended by a signal, and rolled back", "run it again"),
}
_STATES = {code: state for state, code in verdict.EXIT_CODES.items() if code}


def of_end(container: str, exit_code: int | None, reason: str) -> tuple[str, str, str]:
    """Code, message and mend of a container that ended badly.

    Args:
        container: its name.
        exit_code: of its process.
        reason: Kubernetes' word.
    """
    if reason == "OOMKilled" or exit_code == 137:
        return (
            "container-killed",
            f"container {container} was killed ({reason or 'signal 9'}): it had not enough memory, or its node went away",
            "raise resources: limits: memory in services.yaml; then run it again",
        )
    if exit_code in _ENDS:
        return _ENDS[exit_code]
    if exit_code in _STATES:
        return "database-not-ready", f"the database is {_STATES[exit_code]}", "what it says tells what to do"
    return (
        "container-failed",
        f"container {container} ended with exit code {exit_code} ({reason or 'Error'})",
        "its log tells why: invoke logs; an image without Stillroom needs carry_runtime: true",
    )
