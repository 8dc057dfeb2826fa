"""What happens to every request: a reference for the logs, problem documents under `/api`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from web.core import problems

API = "/api/"
PROBES = {"/healthz", "/readyz", "/metrics"}
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestReference(MiddlewareMixin):
    """Gives each request an id, which the logs and the answer (`X-Request-ID`) carry.

    A proxy may have given it one; anything odd is replaced, as it ends up in the logs.
    """

    def process_request(self, request: HttpRequest) -> None:
        if not REQUEST_ID.fullmatch(request.META.get("HTTP_X_REQUEST_ID", "")):
            request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex
        if request.path in PROBES:
            # Kubernetes and Prometheus ask by the address of the pod, which no setting can name.
            request.META["HTTP_HOST"] = urlsplit(settings.SYRINX_PUBLIC_URL).netloc
        # Django keeps what it once read out of META.
        request.__dict__.pop("headers", None)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response["X-Request-ID"] = request.META["HTTP_X_REQUEST_ID"]
        return response


class ApiProblems(MiddlewareMixin):
    """Turns the error pages that Django makes by itself into problem documents under `/api`."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.status_code < 400 or not request.path.startswith(API):
            return response
        if response.get("Content-Type", "").startswith(problems.CONTENT_TYPE):
            return response
        answer: HttpResponse = problems.as_response(problems.generic(response.status_code))
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in response:
                answer[name] = response[name]
        return answer
