"""Files by their sha256, fetched once a host."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from weakref import WeakValueDictionary

from gpu_agent.runtime.workspace import Workspace
from gpu_agent.transport.messages import RemoteFile
from gpu_agent.transport.transfers import GetUrl, Transfers, sha256_of


class Blobs:
    def __init__(self, workspace: Workspace, transfers: Transfers) -> None:
        self._workspace = workspace
        self._transfers = transfers
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fetch(self, file: RemoteFile, get_url: GetUrl) -> Path:
        """Where the file lies, verified. Raises `ValueError` for a bad sha256,
        and as `Transfers.download`."""
        path = self._workspace.blob(file.sha256)
        lock = self._fetching.setdefault(file.sha256, asyncio.Lock())
        async with lock:
            if not await asyncio.to_thread(is_whole, path, file):
                path.parent.mkdir(exist_ok=True)
                await self._transfers.download(file, path, get_url)
                path.chmod(0o400)  # shared by jobs
        os.utime(path)  # `prune_cache` goes by last use
        return path


def is_whole(path: Path, file: RemoteFile) -> bool:
    """Whether `path` holds this file, by its bytes. Blocks. False when its sha256 is unknown."""
    if not file.sha256 or not path.is_file():
        return False
    if file.size and path.stat().st_size != file.size:
        return False
    return sha256_of(path) == file.sha256


def link(source: Path, target: Path) -> None:
    """Replace `target` by a hard link to `source`. Raises `FileNotFoundError`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.link(source, target)
