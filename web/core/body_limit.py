"""Refuses a request that is too large before it fills the disk.

Django writes a request's body to a temporary file before any of our code sees it, whoever sent it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from web.core.problems import CONTENT_TYPE

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

ANONYMOUS_BYTES = 1 << 20


class BodyLimit:
    """Wraps an ASGI application; `limit` in bytes, for those who send no credentials 1 MiB."""

    def __init__(self, application: Application, limit: int) -> None:
        self.application = application
        self.limit = limit

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        known = b"authorization" in headers or b"cookie" in headers
        limit = self.limit if known else min(self.limit, ANONYMOUS_BYTES)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            await _refuse(send, limit)
            return
        await self._count(scope, receive, send, limit)

    async def _count(self, scope: dict[str, Any], receive: Receive, send: Send, limit: int) -> None:
        """A body of unknown length: read on until it is too long, then hang up on Django."""
        taken, answered = 0, False

        async def counted() -> Message:
            nonlocal taken
            if taken > limit:
                return {"type": "http.disconnect"}
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > limit else message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self.application(scope, counted, noted)
        if taken > limit and not answered:
            await _refuse(send, limit)


async def _refuse(send: Send, limit: int) -> None:
    document = {
        "type": "about:blank",
        "title": "This is too large.",
        "status": 413,
        "detail": f"A request may have up to {limit // 10**6} MB. Send the files one by one.",
    }
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
