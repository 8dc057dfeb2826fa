"""Files to and from object storage, by presigned URLs only.

A URL is at most 15 minutes old and may run out in the middle, so each function
takes a callable that asks the portal for a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from gpu_agent.transport.backoff import Backoff
from gpu_agent.transport.errors import (
    SourceCorrupt,
    SourceMissing,
    StorageRefused,
    TransferFailed,
)
from gpu_agent.transport.http import FAILURES, Http, read_chunks
from gpu_agent.transport.messages import RemoteFile, UploadTicket
from gpu_agent.transport.multipart import MultipartUpload

log = structlog.get_logger(__name__)

PARALLEL = 16  # transfers at once in this process
PATIENCE = 600.0  # seconds without progress until a transfer is given up
REPEATS_OF_WRONG = 3  # times that a missing or corrupt source is asked for again

GetUrl = Callable[[], Awaitable[str]]
GetTicket = Callable[[], Awaitable[UploadTicket]]


class Transfers:
    def __init__(self, *, patience: float = PATIENCE, parallel: int = PARALLEL) -> None:
        self._patience = patience
        self._slots = asyncio.Semaphore(parallel)
        self._http = Http(2 * parallel)

    async def close(self) -> None:
        await self._http.close()

    async def download(self, file: RemoteFile, target: Path, get_url: GetUrl) -> None:
        """Fetch into `target`, which appears whole and with the right sha256 or not at all.

        An interrupted try goes on from where it stopped. Raises `SourceMissing`,
        `SourceCorrupt`, `TransferFailed`, and `OSError` when the disk is full.
        """
        part = target.with_name(target.name + ".part")
        backoff, wrong = Backoff(0.2), 0
        deadline = time.monotonic() + self._patience
        while True:
            size_before = size_of(part)
            try:
                async with self._slots:
                    await self._get(await get_url(), part, file)
                await asyncio.to_thread(_check, part, file)
                part.rename(target)
                return
            except (SourceMissing, SourceCorrupt):
                part.unlink(missing_ok=True)
                wrong += 1
                if wrong >= REPEATS_OF_WRONG:
                    raise
            except FAILURES as error:
                if size_of(part) > size_before:
                    deadline = time.monotonic() + self._patience
                _give_up_after(deadline, "download", file.name, error)
            await backoff.wait()

    async def _get(self, url: str, part: Path, file: RemoteFile) -> None:
        have = size_of(part)
        if file.size and have > file.size:
            have = 0
        if file.size and have == file.size:
            return  # all came, the check was interrupted
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        async with self._http.request("GET", url, headers=headers) as answer:
            if answer.status == 416:
                truncate(part)
            if answer.status in (404, 410):
                raise SourceMissing(f"{file.name} is not in storage any more")
            if answer.status not in (200, 206):
                raise StorageRefused(f"storage answered {answer.status}")
            with part.open("ab" if have and answer.status == 206 else "wb") as out:
                # As it comes: chunks of a size would be lost when the connection is cut.
                async for chunk in answer.content.iter_any():
                    out.write(chunk)

    async def upload(self, path: Path, name: str, get_ticket: GetTicket) -> None:
        """Put a file where tickets say. Raises `TransferFailed`, or `OSError` from reading it."""
        backoff, joined = Backoff(0.2), MultipartUpload(self._http, path)
        deadline = time.monotonic() + self._patience
        while True:
            parts_before = joined.parts_done
            try:
                ticket = await get_ticket()
                async with self._slots:
                    if ticket.url:
                        await self._put(ticket.url, path)
                    else:
                        await joined.run(ticket)
                return
            except FAILURES as error:
                if joined.parts_done > parts_before:
                    deadline = time.monotonic() + self._patience
                _give_up_after(deadline, "upload", name, error)
            await backoff.wait()

    async def _put(self, url: str, path: Path) -> None:
        size = size_of(path)
        async with self._http.put(url, read_chunks(path, 0, size), size) as answer:
            if answer.status not in (200, 201, 204):
                said = (await answer.text())[:200]
                raise StorageRefused(f"storage answered {answer.status}: {said}")


def size_of(path: Path) -> int:
    """Bytes; 0 when there is no such file."""
    return path.stat().st_size if path.exists() else 0


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def sha256_of(path: Path) -> str:
    """Hex. Blocks: about 0.7 s a GB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, file: RemoteFile) -> None:
    if not path.exists():  # an empty object: no chunk ever came
        path.touch()
    size = path.stat().st_size
    if file.size and size < file.size:
        raise StorageRefused(f"{size} of {file.size} bytes came")
    if file.sha256 and sha256_of(path) != file.sha256:
        raise SourceCorrupt(f"{file.name} in storage differs from what the portal recorded")


def _give_up_after(deadline: float, act: str, name: str, error: Exception) -> None:
    said = str(error) or type(error).__name__
    if time.monotonic() > deadline:
        raise TransferFailed(f"the {act} of {name} failed again and again: {said}") from error
    log.warning(f"{act} interrupted; trying again", name=name, error=said)
