"""`Idempotency-Key`: a call that is sent again is answered again, not carried out again.

A client that lost the answer repeats the call with the same key and gets the first answer.
Only successes are kept: a refused call changed nothing, so it may be mended and tried again
under its key. Two sorts of answer are not kept either, and the call is carried out again:
those that are not JSON (audio), and failures on our side.

    (none) ──begin──▶ pending ──finish──▶ kept for a day, then pruned
                         └──── refused, failed ──▶ (none)
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from web.core.models import IdempotencyRecord
from web.core.problems import Conflict, Invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY = re.compile(r"[\x21-\x7e]{1,200}")
KEEP = timedelta(days=1)
# Longer than any call takes: a process that was killed left the record behind.
PENDING = timedelta(hours=1)


def begin(user_id: int, request: HttpRequest) -> IdempotencyRecord | HttpResponse:
    """Claim the call's key, or return the answer that was given to it before.

    Raises `Invalid` for a malformed key and for one that belongs to another call, `Conflict`
    while the first call is being answered and where its answer may not be kept.
    """
    key = request.headers[HEADER]
    if not KEY.fullmatch(key):
        raise Invalid(
            f"{HEADER} must be 1 to 200 visible ASCII characters, such as a UUID.",
            code="idempotency_key",
        )
    mark = fingerprint(request)
    _outdated().filter(user_id=user_id, key=key).delete()
    record, is_new = IdempotencyRecord.objects.get_or_create(
        user_id=user_id, key=key, defaults={"fingerprint": mark}
    )
    if is_new:
        return record
    if record.fingerprint != mark:
        raise Invalid(
            f"This {HEADER} was used for another call. Send a new key with each new call.",
            code="idempotency_key_reused",
        )
    if record.status is None:
        raise Conflict(
            "The first call with this key is still being answered. Try again in a moment.",
            code="idempotency_pending",
        )
    if not record.content_type:
        raise Conflict(
            "This call was carried out before. Its answer holds a secret that is shown only once; "
            "if it got lost, revoke it and make a new one with a new key.",
            code="answered_once",
        )
    response = HttpResponse(record.body, status=record.status, content_type=record.content_type)
    response[REPLAYED] = "true"
    return response


def finish(record: IdempotencyRecord, response: HttpResponseBase) -> None:
    """Keep the answer for the next call with the same key, if it is one to keep."""
    if not isinstance(response, HttpResponse) or response.status_code >= 400:
        forget(record)
        return
    content_type = response.get("Content-Type", "")
    if "no-store" in response.get("Cache-Control", ""):
        record.content_type = ""  # answered, and with what must not be written down
    elif response.content and not content_type.startswith("application/json"):
        forget(record)
        return
    else:
        record.body = response.content.decode()
        record.content_type = content_type or "application/json"
    record.status = response.status_code
    record.save(update_fields=["status", "body", "content_type"])


def forget(record: IdempotencyRecord) -> None:
    record.delete()


def prune() -> int:
    """Delete what is older than a day; the relay calls it now and then."""
    deleted, _ = _outdated().delete()
    return deleted


def _outdated() -> QuerySet[IdempotencyRecord]:
    now = timezone.now()
    return IdempotencyRecord.objects.filter(
        Q(created__lt=now - KEEP) | Q(created__lt=now - PENDING, status__isnull=True)
    )


def fingerprint(request: HttpRequest) -> str:
    """SHA-256 of method, path, query and body, as hex.

    A multipart body is not read for this: it may have gigabytes and is streamed. Its length
    stands for it.
    """
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if request.content_type == "multipart/form-data":
        digest.update(request.headers.get("Content-Length", "").encode())
    else:
        digest.update(request.body)
    return digest.hexdigest()
