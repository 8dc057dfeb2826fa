"""Rows as a user would have made them, for tests that begin in the middle of a story."""

from __future__ import annotations

import hashlib
import io
from uuid import uuid4

from web.accounts.models import Team, User
from web.core import storage
from web.datasets.models import Dataset, DatasetState, Utterance, UtteranceStatus
from web.fleet import actions as fleet
from web.fleet.models import Agent
from web.jobs import agent_actions as agents
from web.jobs.agent_actions import Holder, ManifestEntry
from web.jobs.models import Job
from web.voices.models import BaseVoice, BaseVoiceState


def stored(key: str, body: bytes) -> tuple[str, str, int]:
    """Put an object; returns key, sha256 and size."""
    storage.put(key, io.BytesIO(body), len(body))
    return key, hashlib.sha256(body).hexdigest(), len(body)


def ready_dataset(team: Team, utterances: int = 3, name: str = "Ada") -> Dataset:
    """A checked dataset whose clips lie in storage."""
    dataset = Dataset.objects.create(
        team=team, name=name, language="en-us", state=DatasetState.READY
    )
    for number in range(utterances):
        key, sha256, size = stored(f"tests/{dataset.pk}/{number}.wav", b"clip %d" % number)
        Utterance.objects.create(
            dataset=dataset,
            position=number,
            name=f"{number:04}",
            text=f"This is sentence {number}.",
            status=UtteranceStatus.OK,
            seconds=60.0,
            clip_key=key,
            clip_sha256=sha256,
            clip_size=size,
        )
    return dataset


def ready_base(team: Team | None = None, name: str = "Joe", **fields: str) -> BaseVoice:
    base = BaseVoice(
        team=team,
        name=name,
        state=BaseVoiceState.READY,
        language="en-us",
        quality="medium",
        sample_rate=22050,
        licence="CC0",
    )
    weights, config = stored(f"tests/{uuid4()}", b"weights"), stored(f"tests/{uuid4()}", b"{}")
    base.weights_key, base.weights_sha256, base.weights_size = weights
    base.config_key, base.config_sha256, base.config_size = config
    for field, value in fields.items():
        setattr(base, field, value)
    base.save()
    return base


def host(name: str = "ada", device: str = "cpu", user: User | None = None) -> tuple[Agent, str]:
    """A registered host and its token."""
    agent, token = fleet.create_agent(user, name)
    fleet.register(
        agent,
        host=name,
        devices=[{"name": device, "model": "test", "memory_bytes": 1, "compute_capability": ""}],
        versions={},
        capabilities=["prepare", "train", "export", "import_base", "speak"],
    )
    agent.refresh_from_db()
    return agent, token


def claimed(agent: Agent, device: str = "cpu") -> tuple[Job, Holder]:
    """The best waiting job, taken by the agent."""
    job, _ = fleet.claim_waiting(agent, device)
    assert job is not None, "nothing waits for this agent"
    return job, Holder(job.pk, job.attempt, agent.pk)


def uploaded(holder: Holder, name: str, role: str, body: bytes = b"data") -> ManifestEntry:
    """Upload an object as an attempt does."""
    sha256 = hashlib.sha256(body).hexdigest()
    row = agents.create_objects(holder, [(name, len(body), sha256)])[0]
    storage.put(row.key, io.BytesIO(body), len(body))
    return ManifestEntry(name, role, sha256, len(body))


def voice_manifest(holder: Holder, stem: str = "en_US-ada-medium") -> list[ManifestEntry]:
    return [
        uploaded(holder, f"{stem}.onnx", "onnx", b"model"),
        uploaded(holder, f"{stem}.onnx.json", "config", b"{}"),
        uploaded(holder, "MODEL_CARD", "model_card", b"# Ada"),
        uploaded(holder, f"{stem}.zip", "bundle", b"zip"),
    ]


VOICE_RESULT = {"stem": "en_US-ada-medium", "steps": "12", "sample_rate": 22050, "num_speakers": 1}
