"""The texts that messages are made from."""

from __future__ import annotations

import uuid

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified


class Template(Identified, Base):
    __tablename__ = "templates"

    tenant_id: Mapped[uuid.UUID | None] = mapped_column(comment="NULL: the platform's own template")
    code: Mapped[str] = mapped_column(String(60))
    needs: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'::text[]"), comment="Names that have to be filled in"
    )

    texts: Mapped[list[TemplateText]] = relationship(back_populates="template", lazy="selectin")

    __table_args__ = (
        UniqueConstraint("tenant_id", "code", name="uq_templates_code", postgresql_nulls_not_distinct=True),
        {"comment": "What a message is called; its words stand in template_texts"},
    )


class TemplateText(Base):
    __tablename__ = "template_texts"

    template_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True, comment='Language and country: "es", "pt-BR"')
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('simple'::regconfig, (subject)::text || ' ' || body)", persisted=True),
        nullable=False,
        comment="For the search in the back office",
    )

    template: Mapped[Template] = relationship(back_populates="texts")

    __table_args__ = (
        CheckConstraint("locale ~ '^[a-z]{2}(-[A-Z]{2})?$'", name="ck_template_texts_locale"),
        Index("ix_template_texts_words", "words", postgresql_using="gin"),
        {"comment": "The words of a template, one row a language; it's the template's 100% own"},
    )
