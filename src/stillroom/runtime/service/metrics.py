"""How long verifications and migrations took and how they ended, for Prometheus; nothing happens where it isn't installed.

    stillroom_verification_seconds{service, state}            histogram
    stillroom_verifications_total{service, state}             counter
    stillroom_migration_seconds{service, outcome}             histogram
    stillroom_migrations_total{service, outcome}              counter
    stillroom_migration_lock_wait_seconds{service}            histogram
    stillroom_migration_retries_total{service}                counter
    stillroom_revision_info{service, revision}                1 for where the database stands

Labels are the service's name, a state or outcome out of a short list, and the revision: never a URL, a host or a text
of an error. A service exposes them at `/metrics`; a Job pushes them (`pushing`).
"""

from __future__ import annotations

import dataclasses
import os
import weakref
from typing import Any

from . import extras

__all__ = ["Instruments", "exposition", "instruments"]

_VERIFICATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_MIGRATION_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

_made: weakref.WeakKeyDictionary[Any, Instruments] = weakref.WeakKeyDictionary()


@dataclasses.dataclass
class Instruments:
    """The metrics of one registry."""

    verification_seconds: Any
    verifications: Any
    migration_seconds: Any
    migrations: Any
    lock_wait_seconds: Any
    retries: Any
    revision: Any
    _revisions: dict[str, str] = dataclasses.field(default_factory=dict)

    def verified(self, service: str, state: str, seconds: float) -> None:
        """One verification, and the state that it found."""
        self.verification_seconds.labels(service, state).observe(seconds)
        self.verifications.labels(service, state).inc()

    def migrated(self, service: str, outcome: str, seconds: float, lock_wait: float = 0.0, retries: int = 0) -> None:
        """One run of migrations, and how it ended."""
        self.migration_seconds.labels(service, outcome).observe(seconds)
        self.migrations.labels(service, outcome).inc()
        self.lock_wait_seconds.labels(service).observe(lock_wait)
        self.retries.labels(service).inc(retries)

    def at(self, service: str, revision: str) -> None:
        """Where the database stands now (several revisions joined by commas)."""
        before = self._revisions.get(service)
        if before is not None and before != revision:
            self.revision.remove(service, before)
        self._revisions[service] = revision
        self.revision.labels(service, revision).set(1)


def instruments(registry: Any = None) -> Instruments | None:
    """The metrics of a registry (None: of the process's own), made once; None where prometheus-client is not installed."""
    prometheus = extras.found("prometheus_client")
    if prometheus is None:
        return None
    registry = prometheus.REGISTRY if registry is None else registry
    if registry not in _made:
        _made[registry] = _make(prometheus, registry)
    return _made[registry]


def exposition() -> tuple[bytes, str]:
    """What `/metrics` answers, and its content type; of all worker processes where `PROMETHEUS_MULTIPROC_DIR` is set.

    Raises:
        faults.ProjectFault: `extra-missing`.
    """
    prometheus = extras.need("prometheus_client", "/metrics")
    registry = prometheus.REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess = extras.need("prometheus_client.multiprocess", "/metrics")
        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


def _make(prometheus: Any, registry: Any) -> Instruments:
    both = ["service", "state"], ["service", "outcome"]
    return Instruments(
        verification_seconds=prometheus.Histogram(
            "stillroom_verification_seconds",
            "Duration of verifications of the database",
            both[0],
            buckets=_VERIFICATION_BUCKETS,
            registry=registry,
        ),
        verifications=prometheus.Counter(
            "stillroom_verifications", "Verifications of the database by the state found", both[0], registry=registry
        ),
        migration_seconds=prometheus.Histogram(
            "stillroom_migration_seconds",
            "Duration of runs of migrations",
            both[1],
            buckets=_MIGRATION_BUCKETS,
            registry=registry,
        ),
        migrations=prometheus.Counter(
            "stillroom_migrations", "Runs of migrations by their outcome", both[1], registry=registry
        ),
        lock_wait_seconds=prometheus.Histogram(
            "stillroom_migration_lock_wait_seconds",
            "How long a run waited for the migration lock",
            ["service"],
            buckets=_VERIFICATION_BUCKETS,
            registry=registry,
        ),
        retries=prometheus.Counter(
            "stillroom_migration_retries", "Revisions tried again after a lock timeout", ["service"], registry=registry
        ),
        revision=prometheus.Gauge(
            "stillroom_revision_info",
            "The revision that the database is at",
            ["service", "revision"],
            registry=registry,
            multiprocess_mode="max",
        ),
    )
