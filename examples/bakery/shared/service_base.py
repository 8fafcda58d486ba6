"""What the services have in common, as a class to derive from."""

from __future__ import annotations

from stillroom.runtime.service import BaseFastAPIService

__all__ = ["BaseFastAPIService"]
