"""What a load balancer, Kubernetes and Prometheus ask."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from web.accounts.models import Team
from web.config import health
from web.core import bus, outbox, storage
from web.fleet.models import Agent
from web.jobs.models import Job


@pytest.fixture
def nowhere() -> str:
    """A port of this machine that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


@pytest.fixture
def silence() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    yield
    storage._prober.cache_clear()


@pytest.fixture
def other_bus() -> Iterator[None]:
    """The next connection to NATS is a new one, and gone after the test."""
    bus.bus.cache_clear()
    yield
    loop = bus.bus()._loop
    loop.call_soon_threadsafe(loop.stop)
    bus.bus.cache_clear()


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/healthz"])
def test_a_living_process_says_so_without_the_database(path: str) -> None:
    answer = Client().get(path)

    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.django_db
def test_it_is_ready_when_all_answer() -> None:
    answer = Client().get("/readyz")

    assert answer.json() == {
        "ok": True,
        "postgres": {"ok": True},
        "nats": {"ok": True},
        "storage": {"ok": True},
    }
    assert answer.status_code == 200


@pytest.mark.django_db
def test_probes_may_name_the_pod_and_others_may_not() -> None:
    assert Client().get("/readyz", headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert Client().get("/api/v1/me", headers={"host": "10.1.2.3:8000"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["nowhere", "silence"])
def test_a_store_that_does_not_answer_is_named_soon(
    kind: str, request: pytest.FixtureRequest, settings: Settings
) -> None:
    settings.SYRINX_S3_ENDPOINT = f"http://{request.getfixturevalue(kind)}"
    storage._prober.cache_clear()
    started = time.monotonic()

    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["storage"]["ok"] is False and answer.json()["storage"]["fault"]
    assert answer.json()["postgres"] == {"ok": True}
    assert "127.0.0.1" not in answer.content.decode()
    assert time.monotonic() - started < health.TIMEOUT_SECONDS + 1


@pytest.mark.django_db
def test_a_bus_that_does_not_answer_is_named_soon(
    silence: str, other_bus: None, settings: Settings
) -> None:
    settings.SYRINX_NATS_URL = f"nats://{silence}"
    started = time.monotonic()

    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["nats"]["ok"] is False
    assert time.monotonic() - started < health.TIMEOUT_SECONDS + 1


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["nowhere", "silence"])
def test_a_database_that_does_not_answer_is_named_soon(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = request.getfixturevalue(kind).split(":")
    monkeypatch.setitem(connection.settings_dict, "HOST", host)
    monkeypatch.setitem(connection.settings_dict, "PORT", port)
    started = time.monotonic()

    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["postgres"]["ok"] is False
    assert time.monotonic() - started < health.TIMEOUT_SECONDS + 1


def test_metrics_tell_jobs_agents_and_what_waits(alpha: Team) -> None:
    now = timezone.now()
    Job.objects.create(team=alpha, kind="train", name="A", queued_at=now, rung_at=now)
    Agent.objects.create(name="lively", token_digest="1", token_prefix="a", last_seen=now)
    Agent.objects.create(name="silent", token_digest="2", token_prefix="b")
    with transaction.atomic():
        outbox.enqueue("syrinx.jobs.train", "1:0", {})

    text = Client().get("/metrics").content.decode()

    for line in (
        'syrinx_jobs{kind="train",state="queued"} 1.0',
        'syrinx_jobs{kind="prepare",state="failed"} 0.0',
        'syrinx_agents{state="alive"} 1.0',
        'syrinx_agents{state="silent"} 1.0',
        "syrinx_outbox_waiting 1.0",
        "django_http_requests_before_middlewares_total",
    ):
        assert line in text
