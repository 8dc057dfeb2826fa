"""HTTP to object storage.

aiohttp, because it takes 0.3 ms of CPU for a small object where httpx takes 2.5,
and a dataset is thousands of them on a host whose cores are busy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from gpu_agent.settings import is_loopback
from gpu_agent.transport.errors import StorageRefused

CHUNK = 1024 * 1024  # bytes

# What a try may fail with. `aiohttp` lets plain timeouts through.
FAILURES = (StorageRefused, aiohttp.ClientError, TimeoutError)

Answer = AbstractAsyncContextManager[aiohttp.ClientResponse]


class Http:
    def __init__(self, connections: int) -> None:
        self._proxies = getproxies()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=60.0),
            auto_decompress=False,  # an object's bytes are hashed as they are
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._session.close()

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        # Redirects are refused: a presigned URL is signed for its own host.
        return self._session.request(
            method,
            URL(url, encoded=True),  # quoted anew, its signature would not hold
            headers=headers,
            data=body,
            proxy=self._proxy_for(url),
            allow_redirects=False,
        )

    def put(self, url: str, body: AsyncIterator[bytes], length: int) -> Answer:
        """`length` in bytes. Gives up on a server that takes less than 50 kB/s."""
        return self._session.put(
            URL(url, encoded=True),
            headers={"Content-Length": str(length)},
            data=body,
            proxy=self._proxy_for(url),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=60.0 + length / 50_000, sock_connect=15.0),
        )

    def _proxy_for(self, url: str) -> str | None:
        """As the environment says, but storage on this machine is never behind a proxy."""
        parts = URL(url, encoded=True)
        host = parts.host or ""
        if not self._proxies or is_loopback(host) or proxy_bypass(host):
            return None
        return self._proxies.get(parts.scheme)


async def read_chunks(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """`length` bytes of a file from `start`, by the chunk."""
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
