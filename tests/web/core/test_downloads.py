"""Objects reach a browser whole, in ranges, and without filling the memory."""

from __future__ import annotations

import asyncio
import io
import os
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.test import AsyncRequestFactory, RequestFactory

from web.core.downloads import ObjectResponse, serve_object
from web.core.problems import NotFound

KEY = "tests/downloads/tone.wav"
BODY = bytes(range(256)) * 10_000


@pytest.fixture
def stored(s3: ModuleType) -> None:
    s3.put(KEY, io.BytesIO(BODY), len(BODY))
    s3.put("tests/empty", io.BytesIO(b""), 0)


def get(size: int | None = None, key: str = KEY, **headers: str) -> Any:
    request = RequestFactory().get(
        "/", headers={n.replace("_", "-"): v for n, v in headers.items()}
    )
    return serve_object(request, key, "audio/wav", size=size)


@pytest.mark.usefixtures("stored")
class TestServeObject:
    def test_it_serves_the_whole_object(self) -> None:
        response = get()
        assert response.status_code == 200
        assert response["Content-Type"] == "audio/wav"
        assert response["Content-Length"] == str(len(BODY))
        assert response["Accept-Ranges"] == "bytes"
        assert response.getvalue() == BODY

    def test_a_size_that_a_row_remembers_promises_nothing(self) -> None:
        with pytest.raises(NotFound, match="gone"):
            get(size=10, key="tests/lost")

    def test_a_range_is_answered_with_206(self) -> None:
        response = get(range="bytes=100-1099")
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes 100-1099/{len(BODY)}"
        assert response.getvalue() == BODY[100:1100]

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("bytes=2559990-", BODY[2559990:]),
            ("bytes=-10", BODY[-10:]),
            ("bytes=-99999999", BODY),
            ("bytes=5-99999999", BODY[5:]),
            ("bytes=0-0", BODY[:1]),
        ],
    )
    def test_open_ranges(self, asked: str, expected: bytes) -> None:
        response = get(range=asked, size=len(BODY))
        assert (response.status_code, response.getvalue()) == (206, expected)

    @pytest.mark.parametrize("asked", ["bytes=2560000-", "bytes=-0", "bytes=9999999-99999999"])
    def test_a_range_behind_the_end_is_answered_with_416(self, asked: str) -> None:
        response = get(range=asked)
        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{len(BODY)}"

    @pytest.mark.parametrize("asked", ["bytes=1-2,5-6", "lines=1-2", "bytes=-", "bytes=9-3", "x"])
    def test_what_is_no_single_range_gets_the_whole(self, asked: str) -> None:
        assert get(range=asked).status_code == 200

    def test_a_copy_that_is_current_is_not_sent_again(self) -> None:
        etag = get()["ETag"]
        assert get(if_none_match=etag).status_code == 304
        assert get(range="bytes=0-9", if_range=etag).status_code == 206
        assert get(range="bytes=0-9", if_range='"another"').status_code == 200

    def test_an_empty_object(self) -> None:
        response = get(key="tests/empty")
        assert (response.status_code, response.getvalue()) == (200, b"")

    def test_a_missing_object_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            get(key="tests/nothing-here")

    def test_a_name_makes_the_browser_save_it(self) -> None:
        response = serve_object(RequestFactory().get("/"), KEY, "audio/wav", 'a"b\r\nö.wav')
        assert response["Content-Disposition"].startswith("attachment; filename")
        assert "\n" not in response["Content-Disposition"]

    def test_a_public_store_is_redirected_to(self, settings: Any) -> None:
        settings.SYRINX_S3_PUBLIC_ENDPOINT = os.environ["SYRINX_S3_ENDPOINT"]
        response = get()
        assert response.status_code == 302
        assert "X-Amz-Signature" in response["Location"]
        assert "response-content-type=audio" in response["Location"]

    def test_under_asgi_it_streams_without_a_warning(self) -> None:
        async def collect() -> bytes:
            response = serve_object(
                AsyncRequestFactory().get("/"), KEY, "audio/wav", size=len(BODY)
            )
            assert isinstance(response, ObjectResponse)
            return b"".join([chunk async for chunk in response])

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert asyncio.run(collect()) == BODY


def test_under_asgi_a_chunk_is_read_only_when_the_last_one_is_sent() -> None:
    produced: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            produced.append(number)
            yield b"x"

    async def take_two() -> None:
        stream = aiter(ObjectResponse(chunks()))
        await anext(stream)
        await anext(stream)

    asyncio.run(take_two())
    assert produced == [0, 1]
