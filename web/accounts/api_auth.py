"""Who calls the API: a bearer token, or the browser's own session."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie

from web.accounts.models import User
from web.accounts.queries import token_user
from web.core.problems import Forbidden


class BearerToken(HttpBearer):
    """`Authorization: Bearer syr_...`, made on the account page."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = token_user(token)
        if user is not None:
            request.user = user
            structlog.contextvars.bind_contextvars(user_id=user.pk)
        return user


class BrowserSession(APIKeyCookie):
    """The portal's own pages; unsafe calls carry the CSRF token."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self) -> None:
        super().__init__(csrf=False)  # checked here, to answer with a problem document

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        if not isinstance(request.user, User) or not request.user.is_active:
            return None
        check = CsrfViewMiddleware(lambda _: None)  # type: ignore[arg-type,return-value]
        check.process_request(request)
        if check.process_view(request, lambda *a, **k: None, (), {}) is not None:  # type: ignore[arg-type,return-value]
            raise Forbidden("The page is too old; reload it and try again.", code="csrf")
        return request.user


AUTH = [BearerToken(), BrowserSession()]


def identify(request: HttpRequest) -> User | None:
    """Who calls, for code that runs before the API's own check. Raises as that does."""
    return next((user for check in AUTH if (user := check(request))), None)


def caller(request: HttpRequest) -> User:
    """The authenticated user of an API call."""
    user = request.user
    assert isinstance(user, User)
    return user
