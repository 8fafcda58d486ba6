"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.network import AllowedNetwork
from app.models.sessions import LoginAttempt, RefreshToken
from app.models.users import OnboardingStep, User, UserRole

__all__ = ["AllowedNetwork", "Base", "LoginAttempt", "OnboardingStep", "RefreshToken", "User", "UserRole"]
