"""Answers requests to speak, which come over NATS to any one agent of the queue group.

Request: JSON, see `SpeakRequest`. Reply: one message with the header
`Syrinx-Status: 200` and as many more as the audio needs, each with a number in
`Syrinx-Seq`, the last with `Syrinx-Last: 1`. A refusal is a single message with
another status and `{"code", "message"}` as its body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

log = structlog.get_logger(__name__)

QUEUE_GROUP = "speak"
CHUNK = 256 * 1024  # bytes a message
WAITING = 8  # requests in line here; more are sent elsewhere
NUMBERS = ("length_scale", "noise_scale", "noise_w_scale")


@dataclass(frozen=True)
class SpeakRequest:
    model_sha256: str
    model_url: str
    config_url: str
    text: str
    speaker: int | None = None
    length_scale: float | None = None
    noise_scale: float | None = None
    noise_w_scale: float | None = None


class SpeakDeclined(Exception):
    """Why there is no audio: an HTTP-like status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


Speak = Callable[[SpeakRequest], Awaitable[bytes]]


class SpeakResponder:
    """`speak` makes a WAV or raises `SpeakDeclined`; it is asked for one at a time."""

    def __init__(self, client: Client, subject: str, speak: Speak) -> None:
        self._client = client
        self._subject = subject
        self._speak = speak
        self._waiting = 0
        self._one_at_a_time = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. A subscription outlives reconnections by itself."""
        subscription = await self._client.subscribe(
            self._subject, queue=QUEUE_GROUP, cb=self._on_request
        )
        try:
            await asyncio.Event().wait()
        finally:
            for answer in self._answers:
                answer.cancel()
            if not self._client.is_closed:
                await subscription.unsubscribe()

    async def _on_request(self, message: Msg) -> None:
        """Only starts the answer: the client reads nothing else meanwhile."""
        answer = asyncio.create_task(self.answer(message))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def answer(self, message: Msg) -> None:
        try:
            try:
                audio = await self._audio(message.data)
            except SpeakDeclined as declined:
                log.info("declined to speak", code=declined.code)
                await self._send_refusal(message.reply, declined)
            except Exception as error:  # of this host, such as a full disk; whoever asks waits
                log.exception("could not speak")
                said = f"The host could not speak the text ({type(error).__name__}). Try again."
                await self._send_refusal(message.reply, SpeakDeclined(500, "internal", said))
            else:
                await self._send_audio(message.reply, audio)
        except nats.errors.Error as error:
            log.warning("an answer to a request to speak did not leave", error=str(error))

    async def _audio(self, data: bytes) -> bytes:
        request = parse(data)
        if self._waiting >= WAITING:
            raise SpeakDeclined(503, "busy", "This host has enough to say already; try again.")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await self._speak(request)
        finally:
            self._waiting -= 1

    async def _send_audio(self, inbox: str, audio: bytes) -> None:
        chunks = [audio[start : start + CHUNK] for start in range(0, len(audio), CHUNK)]
        for number, chunk in enumerate(chunks):
            headers = {"Syrinx-Seq": str(number)}
            if number == 0:
                headers |= {"Syrinx-Status": "200", "Content-Type": "audio/wav"}
            if number == len(chunks) - 1:
                headers["Syrinx-Last"] = "1"
            await self._send(inbox, chunk, headers)

    async def _send_refusal(self, inbox: str, declined: SpeakDeclined) -> None:
        body = {"code": declined.code, "message": declined.message}
        headers = {"Syrinx-Status": str(declined.status), "Syrinx-Last": "1"}
        await self._send(inbox, json.dumps(body).encode(), headers)

    async def _send(self, inbox: str, body: bytes, headers: dict[str, str]) -> None:
        if inbox:
            await self._client.publish(inbox, body, headers=headers)


def parse(data: bytes) -> SpeakRequest:
    """Raises `SpeakDeclined` when the request is not of the agreed form."""
    names = {item.name for item in fields(SpeakRequest)}
    try:
        body: Any = json.loads(data)
        request = SpeakRequest(**{name: body[name] for name in names & set(body)})
    except (ValueError, TypeError, KeyError) as error:
        raise SpeakDeclined(400, "request_unreadable", "The request is not readable.") from error
    files = (request.model_sha256, request.model_url, request.config_url)
    numbers = [getattr(request, name) for name in NUMBERS]
    if (
        not all(isinstance(file, str) and file for file in files)
        or not isinstance(request.text, str)
        or not (request.speaker is None or type(request.speaker) is int)
        or not all(number is None or _is_sane(number) for number in numbers)
    ):
        raise SpeakDeclined(400, "request_invalid", "The request holds a value of the wrong kind.")
    return request


def _is_sane(number: object) -> bool:
    """Scales beyond this make minutes of noise out of a sentence."""
    return type(number) in (int, float) and 0.0 <= float(str(number)) <= 10.0
