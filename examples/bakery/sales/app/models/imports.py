"""Files of past sales that a bakery brought along."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Enum, Index, LargeBinary, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UuidKey


class ImportState(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ImportFile(Base):
    __tablename__ = "import_files"

    id: Mapped[UuidKey]
    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    # Not a type of the database: a text with a check, named, that holds the values.
    state: Mapped[ImportState] = mapped_column(
        Enum(
            ImportState,
            native_enum=False,
            create_constraint=True,
            length=10,
            name="ck_import_files_state",
            values_callable=lambda kind: [state.value for state in kind],
        ),
        server_default=ImportState.WAITING.value,
    )
    problems: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    uploaded_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index(
            "uq_import_files_content",
            "tenant_id",
            "sha256",
            unique=True,
            postgresql_where=text("state <> 'failed'"),
        ),
    )
