"""The public API: `/api/v1`. Each app brings a router; this file joins them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import NinjaAPI

from web.accounts.api import router as accounts
from web.accounts.api_auth import AUTH, identify
from web.config import api_errors
from web.config.me import router as me
from web.core import idempotency
from web.core.json_body import JsonBody
from web.datasets.api import router as datasets
from web.fleet.api import router as fleet
from web.jobs.api import router as jobs
from web.voices.api import router as voices

SAFE = {"GET", "HEAD", "OPTIONS"}
DESCRIPTION = """\
Turn voice recordings into Piper voices.

Errors are `application/problem+json` with `title`, `detail` and often a `code`. Lists are
`{items, total, next}` and take `limit` (at most 500) and `offset`.

Calls that change something honour the header `Idempotency-Key`: for a day, the same call with
the same key gets the first answer (marked `Idempotent-Replayed: true`) and is not carried out
again. While the first is being answered a second gets 409; another call with the same key gets
422. Of an upload, the length stands for the contents. A refused call is not remembered: mend it
and send it with the same key.
"""

api = NinjaAPI(
    title="Syrinx",
    version="1",
    description=DESCRIPTION,
    auth=AUTH,
    parser=JsonBody(),
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api_errors.install(api)


def answered_once(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps each call, so that an `Idempotency-Key` is honoured; see `web/core/idempotency.py`.

    Around the call itself, not in a middleware: when the client hangs up, the call's thread
    goes on, and must still note its answer for the client's second try.
    """

    def begin(request: HttpRequest) -> Any:
        if request.method in SAFE or idempotency.HEADER not in request.headers:
            return None
        user = identify(request)
        return user and idempotency.begin(user.pk, request)

    @wraps(run)
    def once(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        try:
            record = begin(request)
        except Exception as error:
            return api.on_exception(request, error)
        if record is None or isinstance(record, HttpResponseBase):
            return record or run(request, **parameters)
        try:
            response: HttpResponseBase = run(request, **parameters)
        except BaseException:
            idempotency.forget(record)
            raise
        idempotency.finish(record, response)
        return response

    @wraps(run)
    async def once_async(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        try:
            record = await sync_to_async(begin)(request)
        except Exception as error:
            return api.on_exception(request, error)
        if record is None or isinstance(record, HttpResponseBase):
            return record or await run(request, **parameters)
        try:
            response: HttpResponseBase = await run(request, **parameters)
        except BaseException:
            await sync_to_async(idempotency.forget)(record)
            raise
        await sync_to_async(idempotency.finish)(record, response)
        return response

    return once_async if iscoroutinefunction(run) else once


# Applies to the routers that are added after it.
api.add_decorator(answered_once, mode="view")
for router in (me, accounts, datasets, jobs, voices, fleet):
    api.add_router("", router)
