"""Errors that a person can act on, as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse

CONTENT_TYPE = "application/problem+json"


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


class UnsupportedMedia(Problem):
    status = 415
    title = "This call takes another kind of body."


class Invalid(Problem):
    status = 422
    title = "Something in the request is wrong."


class TooManyRequests(Problem):
    status = 429
    title = "That was too often."


class QuotaExceeded(Problem):
    """A team's quota would be passed. An administrator can raise it."""

    status = 403
    title = "Your team's quota does not allow this."


class Unavailable(Problem):
    """A part of Syrinx can't be reached at the moment; trying again is right."""

    status = 503
    title = "A part of Syrinx does not answer at the moment."


# For what is refused before it reaches a call of ours, such as an unknown address.
GENERIC = {
    400: ("This request can't be carried out.", "It is malformed."),
    403: ("This is not allowed.", "Sign in as someone who may do this."),
    404: (NotFound.title, "There is no call at this address; see /api/v1/docs."),
    405: ("This call does not exist.", "The address is right, the method is not."),
    413: (TooLarge.title, "Send it in smaller parts."),
    415: (UnsupportedMedia.title, "See /api/v1/docs."),
    429: (TooManyRequests.title, "Wait a little and try again."),
    500: ("Something went wrong on our side.", "Try again."),
    503: (Unavailable.title, "Try again in a moment."),
}


def generic(status: int) -> dict[str, Any]:
    """A problem document for a bare status."""
    title, detail = GENERIC.get(status, GENERIC[400 if status < 500 else 500])
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def as_response(document: dict[str, Any]) -> HttpResponse:
    return JsonResponse(document, status=document["status"], content_type=CONTENT_TYPE)
