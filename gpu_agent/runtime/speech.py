"""Makes speech for `transport/speak.py`: voices from storage, a child process that speaks."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from gpu_agent.runtime.blobs import Blobs
from gpu_agent.runtime.child import Child
from gpu_agent.runtime.environment import child_environment
from gpu_agent.runtime.workspace import Workspace
from gpu_agent.transport.errors import SourceCorrupt, SourceMissing, TransferFailed
from gpu_agent.transport.messages import RemoteFile
from gpu_agent.transport.speak import SpeakDeclined, SpeakRequest
from gpu_agent.transport.transfers import Transfers

log = structlog.get_logger(__name__)

SPEAK_SECONDS = 60.0  # a page of text on a slow CPU, the loading of a voice included
FETCH_SECONDS = 30.0
THREADS = 2

# What the child declines for is the request's fault, except these.
OUR_FAULT = {"internal", "voice_unreadable"}

SPEECH_CHILD = (sys.executable, "-P", "-m", "gpu_agent.runtime.speech_child")


class Speech:
    """One request at a time (see `SpeakResponder`)."""

    def __init__(
        self,
        workspace: Workspace,
        blobs: Blobs,
        transfers: Transfers,
        *,
        child_command: Sequence[str] = SPEECH_CHILD,
        seconds: float = SPEAK_SECONDS,
    ) -> None:
        self._workspace = workspace
        self._folder = workspace.folder / "speech"
        self._blobs = blobs
        self._transfers = transfers
        self._command = child_command
        self._seconds = seconds
        self._child: Child | None = None
        self._answers: AsyncIterator[dict[str, Any]] | None = None
        self._number = 0

    async def speak(self, request: SpeakRequest) -> bytes:
        """A WAV. Raises `SpeakDeclined`."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        model, config = await self._fetch(request)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            out = Path(folder) / "speech.wav"
            try:
                answer = await asyncio.wait_for(
                    self._ask(request, model, config, out), self._seconds
                )
            except TimeoutError as error:
                await self.close()
                raise SpeakDeclined(
                    504,
                    "too_slow",
                    f"Speaking took longer than {self._seconds:.0f} seconds. Try a shorter text.",
                ) from error
            except asyncio.CancelledError:
                await self.close()  # its answer would be taken for the next one's
                raise
            if answer["op"] == "declined":
                status = 500 if answer["code"] in OUR_FAULT else 422
                raise SpeakDeclined(status, answer["code"], answer["message"])
            return out.read_bytes()

    async def close(self) -> None:
        child, self._child, self._answers = self._child, None, None
        if child is not None:
            await child.kill()

    async def _fetch(self, request: SpeakRequest) -> tuple[Path, Path]:
        async def model_url() -> str:
            return request.model_url

        try:
            async with asyncio.timeout(FETCH_SECONDS):
                file = RemoteFile("voice.onnx", 0, request.model_sha256)
                model = await self._blobs.fetch(file, model_url)
                return model, await self._fetch_config(request.config_url)
        except ValueError as error:
            raise SpeakDeclined(400, "request_invalid", f"{error}.") from error
        except (SourceMissing, SourceCorrupt, TransferFailed, OSError) as error:
            detail = "took too long" if isinstance(error, TimeoutError) else str(error)
            raise SpeakDeclined(
                503, "voice_unavailable", f"The agent could not fetch the voice: {detail}."
            ) from error

    async def _fetch_config(self, url: str) -> Path:
        """Small, and known by no hash: fetched each time, kept under its own."""

        async def get_url() -> str:
            return url

        # A folder of its own: the start of another voice's, broken off, must not be gone on from.
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            fresh = Path(folder) / "config.json"
            await self._transfers.download(RemoteFile("voice.onnx.json", 0, ""), fresh, get_url)
            kept = self._workspace.blob(hashlib.sha256(fresh.read_bytes()).hexdigest())
            kept.parent.mkdir(exist_ok=True)
            return fresh.rename(kept)

    async def _ask(
        self, request: SpeakRequest, model: Path, config: Path, out: Path
    ) -> dict[str, Any]:
        """Once more with a new child when the old one has died."""
        self._number += 1
        message = {
            "id": self._number,
            "model": str(model),
            "config": str(config),
            "out": str(out),
            "text": request.text,
            "speaker": request.speaker,
            "length_scale": request.length_scale,
            "noise_scale": request.noise_scale,
            "noise_w_scale": request.noise_w_scale,
        }
        for _ in range(2):
            child, answers = await self._started()
            await child.send(message)
            async for answer in answers:
                if answer.get("id") == self._number:
                    return answer
            await self.close()
        log.error("the speech process died twice over one request", tail=list(child.tail)[-5:])
        raise SpeakDeclined(500, "speech_crashed", "The voice could not speak this text.")

    async def _started(self) -> tuple[Child, AsyncIterator[dict[str, Any]]]:
        if self._child is None or self._answers is None or not self._child.is_running:
            await self.close()
            self._child = await Child.start(
                self._command,
                cwd=self._folder,
                environment=child_environment(
                    os.environ, home=self._folder, cuda=None, threads=THREADS
                ),
                on_stderr=lambda line: log.info("speech", said=line),
            )
            self._answers = self._child.messages()
        return self._child, self._answers
