"""Brings a job's inputs to this host and its outputs to storage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from gpu_agent.runtime.blobs import Blobs, is_whole, link
from gpu_agent.runtime.workspace import below
from gpu_agent.transport.errors import PortalRefused, TransferFailed
from gpu_agent.transport.messages import (
    ClaimedJob,
    JobKey,
    RemoteFile,
    StoredObject,
    UploadTicket,
)
from gpu_agent.transport.portal import Portal
from gpu_agent.transport.transfers import Transfers, sha256_of

# URLs live 15 minutes: a batch has to be through by then, and a message has a limit.
BATCH = 200
LINK_TRIES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    path: Path
    name: str
    role: str


class JobFiles:
    def __init__(
        self, job: ClaimedJob, folder: Path, portal: Portal, transfers: Transfers, blobs: Blobs
    ) -> None:
        self._key: JobKey = job.key
        self._folder = folder.resolve()
        self._portal = portal
        self._transfers = transfers
        self._blobs = blobs
        self._known = {file.name: (file, folder / "inputs") for file in job.inputs}
        self._known |= {file.name: (file, folder / "resume") for file in job.resume}

    async def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        """Where each input lies, verified.

        Raises `KeyError` for a name that the job does not have, `Fenced`, and as
        `Transfers.download`.
        """
        files = [self._known[name] for name in dict.fromkeys(names)]
        paths: dict[str, Path] = {}
        for batch in _batches(files):
            missing = []
            for file, folder in batch:
                path = paths[file.name] = below(folder, file.name)
                if not await asyncio.to_thread(is_whole, path, file):
                    missing.append((file, path))
            if missing:
                await self._download(missing)
        return paths

    async def _download(self, files: Sequence[tuple[RemoteFile, Path]]) -> None:
        names = [file.name for file, _ in files]
        urls = await self._portal.create_downloads(self._key, names)
        await _all(self._download_one(file, path, urls.pop(file.name, "")) for file, path in files)

    async def _download_one(self, file: RemoteFile, path: Path, first_url: str) -> None:
        async def new_url() -> str:
            urls = await self._portal.create_downloads(self._key, [file.name])
            if file.name not in urls:
                raise PortalRefused(f"it has no address for the input {file.name}")
            return urls[file.name]

        get_url = _once_then(first_url, new_url)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not file.sha256:
            await self._transfers.download(file, path, get_url)
            return
        for _ in range(LINK_TRIES):
            blob = await self._blobs.fetch(file, get_url)
            # Another device's job may have ended just now, and pruned the cache.
            with contextlib.suppress(FileNotFoundError):
                link(blob, path)
                return
        raise TransferFailed(f"the cache of this host has no room for {file.name}")

    async def keep(self, outputs: Sequence[Output]) -> list[StoredObject]:
        """Upload, in batches. Raises `Fenced`, `TransferFailed`, `OSError`, and
        `ValueError` for a file outside the job's folder: a child that was taken
        over by its input must not send away what else lies on this host."""
        for output in outputs:
            if not output.path.resolve().is_relative_to(self._folder):
                raise ValueError(f"{output.path} is not in the folder of its job")
        stored: list[StoredObject] = []
        for batch in _batches(outputs):
            stored += await self._upload(batch)
        return stored

    async def _upload(self, outputs: Sequence[Output]) -> list[StoredObject]:
        described = await asyncio.to_thread(lambda: [_describe(output) for output in outputs])
        tickets = await self._portal.create_uploads(self._key, described)
        await _all(
            self._upload_one(output, file, tickets.get(file.name))
            for output, file in zip(outputs, described, strict=True)
        )
        return [
            StoredObject(file.name, file.sha256, file.size, output.role)
            for output, file in zip(outputs, described, strict=True)
        ]

    async def _upload_one(
        self, output: Output, file: RemoteFile, first: UploadTicket | None
    ) -> None:
        async def new_ticket() -> UploadTicket:
            tickets = await self._portal.create_uploads(self._key, [file])
            if file.name not in tickets:
                raise PortalRefused(f"it has no address for the output {file.name}")
            return tickets[file.name]

        await self._transfers.upload(output.path, file.name, _once_then(first, new_ticket))


def _describe(output: Output) -> RemoteFile:
    return RemoteFile(output.name, output.path.stat().st_size, sha256_of(output.path))


def _once_then(first: T | None, more: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """What came with the batch for the first try, a new one for each further try."""
    waiting = [first] if first else []

    async def get() -> T:
        return waiting.pop() if waiting else await more()

    return get


async def _all(jobs: Iterable[Awaitable[None]]) -> None:
    """Together; the first failure cancels the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _batches(items: Sequence[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
