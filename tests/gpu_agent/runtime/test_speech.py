"""Asked over NATS, the agent speaks with a voice from storage, or says why not."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from gpu_agent.runtime.blobs import Blobs
from gpu_agent.runtime.speech import Speech
from gpu_agent.runtime.workspace import Workspace
from gpu_agent.transport.speak import SpeakDeclined, SpeakRequest, SpeakResponder
from gpu_agent.transport.transfers import Transfers
from tests.eventually import assert_eventually
from tests.gpu_agent.conftest import AgentProcess, StartAgent
from tests.gpu_agent.fake_portal import SPEAK
from tests.gpu_agent.nats_server import NatsServer
from tests.gpu_agent.object_store import ObjectStore

Ask = Callable[..., list[Msg]]


@pytest.fixture
def ask(bell: NatsServer, store: ObjectStore, joe: tuple[Path, Path]) -> Ask:
    """Asks as the portal does; returns the messages of the answer."""
    for path in joe:
        store.objects[path.name] = path.read_bytes()
    request: dict[str, Any] = {
        "model_sha256": hashlib.sha256(joe[0].read_bytes()).hexdigest(),
        "model_url": f"{store.url}/{joe[0].name}?sig=x",
        "config_url": f"{store.url}/{joe[1].name}?sig=x",
    }

    def ask(**more: Any) -> list[Msg]:
        async def gather(client: Client) -> list[Msg]:
            inbox = client.new_inbox()
            answers = await client.subscribe(inbox)
            await client.publish(SPEAK, json.dumps(request | more).encode(), reply=inbox)
            messages: list[Msg] = []
            while not messages or "Syrinx-Last" not in (messages[-1].headers or {}):
                messages.append(await answers.next_msg(timeout=40))
            return messages

        return bell.do(gather)

    return ask


def refusal(messages: list[Msg]) -> tuple[str, str]:
    [message] = messages
    assert message.headers is not None
    return message.headers["Syrinx-Status"], json.loads(message.data)["code"]


def stat_of(pid: int | str) -> list[str]:
    """State, parent, ... of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def speech_pid(agent: AgentProcess) -> int:
    """Of the speech process, which is a child of a guard of the agent."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            grandparent = int(stat_of(stat_of(folder.name)[1])[1])
        except OSError:
            continue
        if grandparent == agent.process.pid and b"gpu_agent.runtime.speech_child" in command:
            found.append(int(folder.name))
    [pid] = found
    return pid


@pytest.mark.slow
def test_it_speaks_declines_and_survives_its_child(
    ask: Ask, store: ObjectStore, start_agent: StartAgent
) -> None:
    agent = start_agent()
    messages = ask(text="The quick brown fox jumps over the lazy dog, again and again, " * 3)
    assert len(messages) > 1, "longer than one message may be"
    assert max(len(message.data) for message in messages) <= 256 * 1024
    first = messages[0].headers or {}
    assert (first["Syrinx-Status"], first["Content-Type"]) == ("200", "audio/wav")
    assert [(message.headers or {})["Syrinx-Seq"] for message in messages] == [
        str(number) for number in range(len(messages))
    ]
    with wave.open(io.BytesIO(b"".join(message.data for message in messages))) as audio:
        assert audio.getframerate() == 22050
        assert audio.getnframes() > 5 * 22050

    assert refusal(ask(text="...")) == ("422", "text_empty")
    assert refusal(ask(text="Hi.", speaker=5)) == ("422", "speaker_unknown")
    assert refusal(ask(text="Hi.", length_scale="slow")) == ("400", "request_invalid")
    assert refusal(ask(text="Hi.", model_sha256="../../etc")) == ("400", "request_invalid")
    gone = f"{store.url}/gone?sig=x"
    assert refusal(ask(text="Hi.", model_sha256="0" * 64, model_url=gone))[1] == "voice_unavailable"

    os.kill(speech_pid(agent), signal.SIGKILL)
    assert len(ask(text="Still here.")) >= 1
    fetched = store.requests["GET"]
    ask(text="Without fetching the model again.")
    assert store.requests["GET"] == fetched + 1, "the small configuration only"

    last = speech_pid(agent)
    agent.kill()
    assert_eventually(lambda: not Path(f"/proc/{last}").exists() or stat_of(last)[0] == "Z")


def test_what_takes_too_long_is_declined(store: ObjectStore, tmp_path: Path) -> None:
    body = b"voice"
    store.objects["voice"] = body
    request = SpeakRequest(
        hashlib.sha256(body).hexdigest(), store.presign("voice"), store.presign("voice"), "Hi."
    )

    async def speak() -> None:
        workspace = Workspace(tmp_path / "agent", 10**9)
        workspace.open()
        transfers = Transfers()
        hanging = (sys.executable, "-c", "import time; time.sleep(600)")
        blobs = Blobs(workspace, transfers)
        speech = Speech(workspace, blobs, transfers, child_command=hanging, seconds=0.3)
        try:
            with pytest.raises(SpeakDeclined) as declined:
                await speech.speak(request)
            assert (declined.value.status, declined.value.code) == (504, "too_slow")
        finally:
            await speech.close()
            await transfers.close()

    asyncio.run(speak())


def test_a_fault_of_the_host_is_told_at_once(bell: NatsServer) -> None:
    async def full(request: SpeakRequest) -> bytes:
        raise OSError("No space left on device")

    async def story(client: Client) -> Msg:
        responder = asyncio.create_task(SpeakResponder(client, SPEAK, full).run())
        await asyncio.sleep(0)  # to its subscription
        body = {"model_sha256": "0", "model_url": "x", "config_url": "x", "text": "Hi."}
        try:
            return await client.request(SPEAK, json.dumps(body).encode(), timeout=10)
        finally:
            responder.cancel()

    assert refusal([bell.do(story)]) == ("500", "internal")
