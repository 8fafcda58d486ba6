"""Runs of the trainer."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INTERVAL, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified


class JobState(enum.Enum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# Two tables use the type: the job as it is, and each change of it.
JOB_STATE = Enum(JobState, name="job_state", values_callable=lambda kind: [state.value for state in kind])


class TrainingJob(Identified, Base):
    __tablename__ = "training_jobs"

    tenant_id: Mapped[uuid.UUID]
    product_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    state: Mapped[JobState] = mapped_column(JOB_STATE, server_default=JobState.QUEUED.value)
    progress: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("""'{"folds": 5}'::jsonb"""))
    # A job that was run again points at the run before it.
    retry_of_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("training_jobs.id", ondelete="SET NULL"))
    queued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    took: Mapped[timedelta | None] = mapped_column(INTERVAL(precision=0))

    events: Mapped[list[JobEvent]] = relationship(back_populates="job", order_by="JobEvent.id")

    __table_args__ = (
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress_is_percent"),
        CheckConstraint("cardinality(product_ids) > 0", name="trains_something"),
        Index(
            "uq_training_jobs_running",
            "tenant_id",
            unique=True,
            postgresql_where=text("state = 'running'::job_state"),
        ),
        Index("ix_training_jobs_product_ids", "product_ids", postgresql_using="gin"),
    )


class JobEvent(Base):
    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("training_jobs.id", ondelete="CASCADE"), index=True)
    state: Mapped[JobState] = mapped_column(JOB_STATE)
    message: Mapped[str] = mapped_column(Text, server_default="")
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    job: Mapped[TrainingJob] = relationship(back_populates="events")
