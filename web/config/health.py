"""`/healthz`: this process lives. `/readyz`: what it depends on answers.

Both are open to everybody and so name no address and no cause; the logs do.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

import psycopg
import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from web.core import storage
from web.core.bus import bus
from web.core.database import own_parameters

log = structlog.get_logger(__name__)
TIMEOUT_SECONDS = 4.0
# A check that hangs holds one of these until its own time-out; others still run.
_checks = ThreadPoolExecutor(max_workers=9, thread_name_prefix="readyz")


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ok": True})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all answer, else 503: `{ok, postgres: {ok, fault?}, nats, storage}`."""
    running = {name: _checks.submit(check) for name, check in CHECKS.items()}
    parts = {name: _result(name, check) for name, check in running.items()}
    ready = all(part["ok"] for part in parts.values())
    return JsonResponse({"ok": ready, **parts}, status=200 if ready else 503)


def _result(name: str, check: Future[None]) -> dict[str, object]:
    try:
        check.result(TIMEOUT_SECONDS)
    except TooLate:
        fault = f"No answer within {TIMEOUT_SECONDS:.0f} seconds."
    except Exception as error:
        log.warning("a part does not answer", part=name, error=str(error).strip())
        fault = "It can't be reached, or it refuses us; the logs say why."
    else:
        return {"ok": True}
    return {"ok": False, "fault": fault}


def check_postgres() -> None:
    """By a connection of its own: the pool may be busy, and waits longer than a probe may."""
    hurried = {"connect_timeout": 2, "options": "-c statement_timeout=2000"}
    with psycopg.connect(**own_parameters() | hurried) as it:
        it.execute("SELECT 1")


def check_nats() -> None:
    if not bus().is_reachable():
        raise ConnectionError("NATS does not answer")


def check_storage() -> None:
    if not storage.is_reachable():
        raise FileNotFoundError("the bucket does not exist")


CHECKS: dict[str, Callable[[], None]] = {
    "postgres": check_postgres,
    "nats": check_nats,
    "storage": check_storage,
}
