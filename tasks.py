"""What `invoke` loads here: the namespace of Stillroom's commands."""

from stillroom.tasks import namespace

__all__ = ["namespace"]
