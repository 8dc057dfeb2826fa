"""The public API: `/api/v1`. Each app brings a router; this file joins them."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from web.accounts.api import router as accounts
from web.accounts.api_auth import AUTH
from web.core.problems import Invalid, NotFound, Problem, Unauthorised

log = structlog.get_logger(__name__)

api = NinjaAPI(
    title="Syrinx",
    version="1",
    description="Turn voice recordings into Piper voices.",
    auth=AUTH,
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api.add_router("", accounts)


def problem(document: dict[str, Any]) -> HttpResponse:
    return JsonResponse(
        document, status=document["status"], content_type="application/problem+json"
    )


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return problem(error.document())


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'] if part not in {'body', 'payload'})}: {fault['msg']}"
        for fault in error.errors
    ]
    return problem(Invalid("; ".join(faults), code="invalid").document())


@api.exception_handler(AuthenticationError)
def on_unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = "Send a token as 'Authorization: Bearer ...'; the account page makes one."
    response = problem(Unauthorised(detail, code="unauthenticated").document())
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(NotFound().document())


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    title = "This request can't be carried out."
    return problem(
        {"type": "about:blank", "title": title, "status": error.status_code, "detail": str(error)}
    )


@api.exception_handler(Exception)
def on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    log.exception("unexpected error", path=request.path)
    return problem(
        {
            "type": "about:blank",
            "title": "Something went wrong on our side.",
            "status": 500,
            "detail": "Nothing was changed. Try again; if it happens again, give an administrator "
            f"this reference: {reference}",
            "reference": reference,
        }
    )
