"""Stored objects, handed to whoever may have them: a redirect to the store, or a stream.

Media players ask for ranges, so the stream answers with 206 and 416 (RFC 9110 §14).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header

from web.core import storage
from web.core.problems import NotFound

GONE = "The file is gone from the object storage."
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\s*\Z")


class Unsatisfiable(Exception):
    """The range starts behind the end of the object."""


class ObjectResponse(StreamingHttpResponse):
    """Streams a blocking iterator, chunk by chunk, under ASGI as well as WSGI.

    Django would read the whole iterator into a list under ASGI.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self.streaming_content)  # type: ignore[arg-type]
        while (chunk := await _next_chunk(chunks)) is not None:
            yield chunk


async def _next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    reading = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        # The visitor left. Django closes the iterator next, and can't while a thread reads it.
        await asyncio.wait([reading])
        raise


def serve_object(
    request: HttpRequest,
    key: str,
    content_type: str,
    file_name: str = "",
    size: int | None = None,
) -> HttpResponseBase:
    """Answer with the object under `key`; with `file_name` the browser saves it as that.

    `size` in bytes saves asking the store for it. Raises `NotFound` where the store
    has no such object. Check first who may read it: nothing is checked here.
    """
    if settings.SYRINX_S3_PUBLIC_ENDPOINT:
        return redirect(storage.presigned_get(key, file_name, content_type))
    # Keys are never reused, so the key names the contents.
    etag = f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    if size is None:
        size = storage.size(key)
        if size is None:
            raise NotFound(GONE)
    disposition = content_disposition_header(bool(file_name), file_name)
    if disposition:
        headers["Content-Disposition"] = disposition
    try:
        wanted = _range(request, etag, size)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    first, last = wanted or (0, size - 1)
    headers["Content-Length"] = str(last - first + 1)
    status = 200
    if wanted:
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    body: Any = ()
    if size and request.method != "HEAD":
        try:
            body = storage.read(key, first, last - first + 1)
        except FileNotFoundError:
            raise NotFound(GONE) from None
    return ObjectResponse(body, status=status, content_type=content_type, headers=headers)


def _range(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """First and last byte of the one range that is asked for.

    None asks for the whole: also for several ranges and for what can't be read,
    which RFC 9110 allows.
    """
    found = _RANGE.match(request.headers.get("Range", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = found[1], found[2]
    if first:
        start, end = int(first), int(last) if last else size - 1
        if last and end < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size - 1
        if int(last) == 0:
            raise Unsatisfiable
    else:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, min(end, size - 1)
