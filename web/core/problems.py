"""Errors that a person can act on, as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """Refuses a request; `title` says what happened, `detail` why and what to do."""

    status = 400
    title = "This request can't be carried out."

    def __init__(self, detail: str, *, code: str = "", title: str = "", **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.title = title or self.title
        self.extra = extra

    def document(self) -> dict[str, Any]:
        body = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.code:
            body["code"] = self.code
        return {**body, "detail": self.detail, **self.extra}


class Unauthorised(Problem):
    status = 401
    title = "Sign in first."


class Forbidden(Problem):
    status = 403
    title = "Your role does not allow this."


class NotFound(Problem):
    """Also for what belongs to another team: an outsider can't tell the two apart."""

    status = 404
    title = "There is no such thing here."

    def __init__(self, detail: str = "It does not exist, or it is not your team's.") -> None:
        super().__init__(detail, code="not_found")


class Conflict(Problem):
    """The object is in a state in which this can't be done."""

    status = 409
    title = "This can't be done now."


class TooLarge(Problem):
    status = 413
    title = "This is too large."


class Invalid(Problem):
    status = 422
    title = "Something in the request is wrong."


class QuotaExceeded(Problem):
    """A team's quota would be passed. An administrator can raise it."""

    status = 403
    title = "Your team's quota does not allow this."


class Unavailable(Problem):
    """A part of Syrinx can't be reached at the moment; trying again is right."""

    status = 503
    title = "A part of Syrinx does not answer at the moment."
