"""Metrics: what a service exposes, what a Job pushes to a real HTTP server, and what may stand in neither."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stillroom.runtime import faults
from stillroom.runtime.service import metrics, pushing


class Gateway:
    """A small HTTP server on the loopback that keeps what is pushed, and answers as it is told."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, str, dict[str, str], str]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.pushed.append((self.command, self.path, dict(self.headers), body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing on standard error."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def values(self) -> dict[str, float]:
        """Sample with its labels -> value, of what was pushed last."""
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in text_string_to_metric_families(self.pushed[-1][3])
            for sample in family.samples
        }


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that takes everything."""
    made = Gateway()
    yield made
    made.server.shutdown()
    made.server.server_close()


def push(address: str, **more: Any) -> bool:
    """A run of the service `auth` that applied something."""
    facts: dict[str, Any] = {"revision": "374752db316e", "lock_wait": 0.5, "retries": 2, **more}
    return pushing.push_migration("auth", "done", 3.25, environ={pushing.VARIABLE: address}, **facts)


def test_a_job_pushes_duration_outcome_revision_lock_wait_and_retries(gateway: Gateway) -> None:
    """By HTTP PUT, grouped by the service, so that each run replaces the one before."""
    assert push(f"http://127.0.0.1:{gateway.port}")
    method, path, _, _ = gateway.pushed[0]
    assert (method, path) == ("PUT", "/metrics/job/stillroom_migration/service/auth")
    found = gateway.values()
    assert found["stillroom_migration_seconds_sum[('outcome', 'done'), ('service', 'auth')]"] == 3.25
    assert found["stillroom_migrations_total[('outcome', 'done'), ('service', 'auth')]"] == 1
    assert found["stillroom_migration_lock_wait_seconds_sum[('service', 'auth')]"] == 0.5
    assert found["stillroom_migration_retries_total[('service', 'auth')]"] == 2
    assert found["stillroom_revision_info[('revision', '374752db316e'), ('service', 'auth')]"] == 1


def test_a_gateway_behind_a_password_gets_it_as_a_header_and_nowhere_else(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL with user and password; neither is in what is pushed, nor in a line."""
    assert push(f"http://us%40er:tarte-tatin-9@127.0.0.1:{gateway.port}/base/")
    _, path, headers, body = gateway.pushed[0]
    assert path == "/base/metrics/job/stillroom_migration/service/auth"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "us@er:tarte-tatin-9"
    assert "tatin" not in body + path + capsys.readouterr().out


def test_a_gateway_that_refuses_is_told_and_ends_nothing(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """One warning, without the address."""
    gateway.status = 503
    assert not push(f"http://user:tarte-tatin-9@127.0.0.1:{gateway.port}")
    assert capsys.readouterr().out == '[warning] Metrics not pushed reason="the gateway answered 503"\n'


def test_a_gateway_that_is_not_there_is_told_and_ends_nothing(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused connections too; the address is not repeated."""
    gateway.server.shutdown()
    gateway.server.server_close()
    assert not push(f"http://user:tarte-tatin-9@127.0.0.1:{gateway.port}")
    line = capsys.readouterr().out
    assert line == '[warning] Metrics not pushed reason="ConnectionRefusedError: Connection refused"\n'


@pytest.mark.parametrize("address", ["http://[::1", "ftp://h:21", "http://h:not-a-port", "http:///x"])
def test_an_address_that_is_none_is_told_and_ends_nothing(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not repeated either: it may hold a password."""
    assert not push(address)
    line = capsys.readouterr().out
    assert line.startswith("[warning] Metrics not pushed reason=")
    assert address not in line


def test_nothing_is_pushed_where_no_gateway_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is said."""
    assert not pushing.push_migration("auth", "done", 1.0, environ={})
    assert capsys.readouterr().out == ""


def test_without_prometheus_client_a_gateway_is_told_to_be_in_vain(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning names the extra."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert not push(f"http://127.0.0.1:{gateway.port}")
    assert "stillroom[metrics]" in capsys.readouterr().out
    assert gateway.pushed == []


def test_metrics_say_states_and_only_the_revision_that_counts() -> None:
    """A revision that is no longer the database's is gone; a registry has its metrics once."""
    registry = prometheus_client.CollectorRegistry()
    made = metrics.instruments(registry)
    assert made is not None
    assert metrics.instruments(registry) is made
    made.verified("auth", "empty", 0.004)
    made.verified("auth", "at_head", 0.003)
    made.at("auth", "aaa")
    made.at("auth", "bbb,ccc")
    made.at("auth", "bbb,ccc")
    text = prometheus_client.generate_latest(registry).decode()
    assert 'stillroom_verifications_total{service="auth",state="empty"} 1.0' in text
    assert 'stillroom_verification_seconds_count{service="auth",state="at_head"} 1.0' in text
    assert 'stillroom_revision_info{revision="bbb,ccc",service="auth"} 1.0' in text
    assert '"aaa"' not in text


def test_without_prometheus_client_nothing_is_measured_and_exposing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service runs without it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert metrics.instruments() is None
    with pytest.raises(faults.ProjectFault) as refused:
        metrics.exposition()
    assert refused.value.mend == "pip install 'stillroom[metrics]'"
