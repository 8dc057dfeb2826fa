"""A request that is too large is refused before it is written to disk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from web.core.body_limit import BodyLimit

AUTHORISED = [(b"authorization", b"Bearer x")]


def ask(
    headers: list[tuple[bytes, bytes]], chunks: list[bytes], limit: int = 1000
) -> tuple[int, int]:
    """The status and how many bytes the application was given."""
    taken, status = 0, 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal taken
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            taken += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        body = chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "headers": headers}
    asyncio.run(BodyLimit(application, limit)(scope, receive, send))
    return status, taken


def test_what_fits_passes() -> None:
    assert ask([*AUTHORISED, (b"content-length", b"1000")], [b"x" * 500, b"x" * 500]) == (200, 1000)


def test_a_length_that_is_too_large_is_refused_unread() -> None:
    assert ask([*AUTHORISED, (b"content-length", b"1001")], [b"x" * 1001]) == (413, 0)


@pytest.mark.parametrize("length", [[], [(b"content-length", b"5")]])
def test_a_body_that_goes_on_and_on_is_cut(length: list[tuple[bytes, bytes]]) -> None:
    assert ask([*AUTHORISED, *length], [b"x" * 600] * 100) == (413, 600)


def test_strangers_may_send_little() -> None:
    assert ask([(b"content-length", b"2000000")], [b""], limit=10**9) == (413, 0)
