"""Answers what a job's child says: news go into the outbox, calls get a reply.

Messages are described in `gpu_agent/pipeline/channel.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from gpu_agent.runtime import outcome
from gpu_agent.runtime.child import Child
from gpu_agent.runtime.job_files import JobFiles, Output
from gpu_agent.transport.errors import Fenced, TokenRefused
from gpu_agent.transport.messages import Ending, JobKey, Outcome, StoredObject
from gpu_agent.transport.session import Session

log = structlog.get_logger(__name__)

Message = dict[str, Any]
News = Callable[[Message], None]
Call = Callable[[Message], Awaitable[Message]]


class JobCalls:
    def __init__(self, key: JobKey, files: JobFiles, session: Session) -> None:
        self._key = key
        self._files = files
        self._session = session
        self._outbox = session.outbox
        self._manifest: list[StoredObject] = []
        self._running: set[asyncio.Task[None]] = set()
        self._fetching: set[asyncio.Task[Message]] = set()
        self._released = False
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        """Raises `Fenced` or `TokenRefused` when an answer of the portal said so."""
        self._news: dict[str, News] = {
            "stage": self._on_stage,
            "progress": self._on_progress,
            "metrics": self._on_metrics,
            "log": lambda message: self.log(message["level"], message["text"]),
            "result": self._on_result,
        }
        self._calls: dict[str, Call] = {
            "fetch": self._fetch,
            "keep": self._keep,
            "sample": self._sample,
            "checkpoint": self._checkpoint,
        }

    def end(self, ending: Ending) -> None:
        """The first ending counts."""
        if not self.ending.done():
            self.ending.set_result(ending)

    def release(self) -> None:
        """No input is fetched any more; outputs still go up."""
        self._released = True
        for call in self._fetching:
            call.cancel()

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self.ending.done() and not self.ending.cancelled():
            self.ending.exception()  # looked at, or asyncio complains

    def log(self, level: str, text: str) -> None:
        self._outbox.log(self._key, time.time(), level, text)
        self._session.notify()

    def take(self, child: Child, message: Message) -> None:
        """One message of the child. One that makes no sense is told in the job's log."""
        op = message["op"]
        try:
            if op in self._news:
                self._news[op](message)
                self._session.notify()
            elif op in self._calls:
                task = asyncio.create_task(self._answer(child, self._calls[op], message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            else:
                raise ValueError(f"unknown operation {op!r}")
        except (KeyError, TypeError, ValueError) as error:
            self.log("warning", f"The agent did not understand a message of the job: {error!r}")

    # ---- news -------------------------------------------------------------------

    def _on_stage(self, message: Message) -> None:
        """Only beginnings are told: a stage ends where the next begins, or with the job."""
        self._outbox.stage(self._key, message["name"])

    def _on_progress(self, message: Message) -> None:
        self._outbox.progress(self._key, message["fraction"], message["eta"], message["note"])

    def _on_metrics(self, message: Message) -> None:
        self._outbox.metrics(self._key, message["step"], message["values"])

    def _on_result(self, message: Message) -> None:
        kind = message["outcome"]
        if kind == "succeeded":
            self.end(
                Ending(
                    Outcome.SUCCEEDED,
                    manifest=tuple(self._manifest),
                    result_kind=message["type"],
                    result=message["values"],
                )
            )
        else:
            ending = outcome.failed if kind == "failed" else outcome.released
            self.end(ending(message["code"], message["message"]))

    # ---- calls ------------------------------------------------------------------

    async def _answer(self, child: Child, call: Call, message: Message) -> None:
        reply: Message = {"op": "reply", "id": message["id"]}
        try:
            answer = await call(message)
            await child.send(reply | {"answer": answer})
        except _ReleasedMeanwhile:
            await child.send(reply | {"released": True})
        except (Fenced, TokenRefused) as error:
            if not self.ending.done():
                self.ending.set_exception(error)
        except Exception as error:
            log.warning("a call of a job failed", job=str(self._key), error=repr(error))
            self.end(outcome.of_error(error))

    async def _fetch(self, message: Message) -> Message:
        if self._released:
            raise _ReleasedMeanwhile
        fetching = asyncio.ensure_future(self._fetch_all(message["names"]))
        self._fetching.add(fetching)
        try:
            return await fetching
        except asyncio.CancelledError:
            if self._released:
                raise _ReleasedMeanwhile from None
            raise
        finally:
            fetching.cancel()
            self._fetching.discard(fetching)

    async def _fetch_all(self, names: list[str]) -> Message:
        paths = await self._files.fetch(names)
        return {name: str(path) for name, path in paths.items()}

    async def _keep(self, message: Message) -> Message:
        outputs = [
            Output(Path(file["path"]), file["name"], file["role"]) for file in message["files"]
        ]
        stored = await self._files.keep(outputs)
        self._manifest += stored
        return {"files": [vars(each) for each in stored]}

    async def _sample(self, message: Message) -> Message:
        path = Path(message["path"])
        name = f"sample-{message['step']:08d}-{message['index']}{path.suffix}"
        [stored] = await self._files.keep([Output(path, name, "sample")])
        self._outbox.sample(
            self._key,
            stored,
            step=message["step"],
            index=message["index"],
            text=message["text"],
            seconds=message["seconds"],
        )
        self._session.notify()
        return {}

    async def _checkpoint(self, message: Message) -> Message:
        path = Path(message["path"])
        name = f"checkpoint-{message['step']:08d}{path.suffix}"
        [stored] = await self._files.keep([Output(path, name, "checkpoint")])
        self._outbox.checkpoint(
            self._key,
            stored,
            step=message["step"],
            epoch=message["epoch"],
            scores=message["scores"],
        )
        self._session.notify()
        return {}


class _ReleasedMeanwhile(Exception):
    """The job is given back, so the call is not worth its time."""
