"""Every refusal of the API as a problem document; never a stack trace."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from urllib3.exceptions import HTTPError as StorageError

from web.core.bus import NoAnswer
from web.core.problems import (
    Conflict,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unauthorised,
    Unavailable,
    as_response,
    generic,
)

log = structlog.get_logger(__name__)


def install(api: NinjaAPI) -> None:
    handlers: dict[type[Exception], Any] = {
        Problem: on_problem,
        ValidationError: on_invalid,
        AuthenticationError: on_unauthenticated,
        Http404: on_missing,
        HttpError: on_http_error,
        RequestDataTooBig: on_too_large,
        SuspiciousOperation: on_malformed,
        MultiPartParserError: on_malformed,
        DataError: on_unstorable,
        IntegrityError: on_race,
        OperationalError: on_unreachable,
        InterfaceError: on_unreachable,
        NoAnswer: on_unreachable,
        StorageError: on_unreachable,
        Exception: on_bug,
    }
    for error, handler in handlers.items():
        api.add_exception_handler(error, handler)


def on_problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return as_response(error.document())


def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if any(fault["loc"][0] == "path" for fault in error.errors):
        # An id that is none names nothing.
        return as_response(NotFound().document())
    faults = [{"field": _field(fault["loc"]), "message": _message(fault)} for fault in error.errors]
    detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
    return as_response(Invalid(detail, code="invalid", errors=faults).document())


def _field(location: tuple[str | int, ...]) -> str:
    """`('body', 'payload', 'params', 'seed')` → `params.seed`."""
    source, *names = location
    if source == "body" and len(names) > 1:
        names = names[1:]  # the name of the parameter in our own code
    elif source == "body":
        return "body"
    return ".".join(str(name) for name in names) or str(source)


def _message(fault: dict[str, Any]) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


def on_unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = "Send a token as 'Authorization: Bearer ...'; the account page makes one."
    response = as_response(Unauthorised(detail, code="unauthenticated").document())
    response["WWW-Authenticate"] = "Bearer"
    return response


def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return as_response(NotFound().document())


def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Problem):  # of the body's parser
        return as_response(error.__cause__.document())
    return as_response(generic(error.status_code))


def on_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return as_response(TooLarge("A JSON body may have up to 5 MB.", code="body").document())


def on_malformed(request: HttpRequest, error: Exception) -> HttpResponse:
    return as_response(Problem(f"The request is malformed: {error}", code="malformed").document())


def on_unstorable(request: HttpRequest, error: DataError) -> HttpResponse:
    log.warning("value refused by the database", path=request.path, error=str(error))
    detail = "A value is too large, too long, or contains what can't be stored."
    return as_response(Invalid(detail, code="value").document())


def on_race(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    log.warning("refused by a constraint", path=request.path, error=str(error))
    detail = "It was changed at the same time, or there is one like it. Look again and try again."
    return as_response(Conflict(detail, code="changed_meanwhile").document())


def on_unreachable(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("a part does not answer", path=request.path, error=str(error), exc_info=error)
    detail = "Nothing was changed. Try again in a moment."
    response = as_response(Unavailable(detail, code="unavailable").document())
    response["Retry-After"] = "5"
    return response


def on_bug(request: HttpRequest, error: Exception) -> HttpResponse:
    reference = request.META.get("HTTP_X_REQUEST_ID", "")
    log.error("unexpected error", path=request.path, exc_info=error)
    detail = (
        "Try again; if it happens again, give an administrator this reference from the "
        f"logs: {reference}"
    )
    return as_response({**generic(500), "detail": detail, "reference": reference})
