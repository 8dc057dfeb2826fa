"""What the portal's tests share."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone

from web.accounts.models import ApiToken, Team, User
from web.core import storage
from web.datasets.models import Dataset, DatasetVersion, SourceFile, SourceKind, Utterance
from web.fleet.models import Agent
from web.jobs.models import Checkpoint, Job, JobKind, JobState, Sample
from web.voices.models import BaseVoice, Voice, VoiceFile

SPEC = {
    "language": "en-us",
    "voice_name": "alice",
    "params": {"quality": "medium"},
    "sentences": ["A."],
    "lineage": {},
}


@pytest.fixture
def alphas_things(alpha: Team, alice: User) -> dict[str, Any]:
    """One of each of Alpha's objects, by the names that paths give them."""
    now = timezone.now()
    storage.put("a", BytesIO(b"a"), 1)
    dataset = Dataset.objects.create(team=alpha, name="Alice reads", language="en-us")
    source = SourceFile.objects.create(
        dataset=dataset, kind=SourceKind.AUDIO, name="a.wav", size=1, sha256="0", key="a"
    )
    utterance = Utterance.objects.create(
        dataset=dataset, position=0, name="a", text="A.", clip_key="a"
    )
    DatasetVersion.objects.create(dataset=dataset, number=1, sha256="0", utterances=1, seconds=1)
    voice = Voice.objects.create(
        team=alpha, name="Alice", stem="en_US-alice-medium", language="en-us", quality="medium",
        sample_rate=22050,
    )  # fmt: skip
    for role, name in (("onnx", "alice.onnx"), ("bundle", "alice.zip")):
        VoiceFile.objects.create(voice=voice, role=role, name=name, key="a", sha256="0", size=1)
    base = BaseVoice.objects.create(team=alpha, name="Alpha's own", sample_key="a")
    job = Job.objects.create(
        team=alpha, kind=JobKind.TRAIN, name="Alice", state=JobState.QUEUED, dataset=dataset,
        queued_at=now, rung_at=now, spec=SPEC,
    )  # fmt: skip
    sample = Sample.objects.create(
        job=job, attempt=1, step=1, index=0, text="A.", seconds=1, key="a"
    )
    checkpoint = Checkpoint.objects.create(
        job=job, attempt=1, step=1, epoch=0, name="c", key="a", sha256="0", size=1
    )
    agent = Agent.objects.create(name="host", token_digest="0", token_prefix="a")
    token = ApiToken.objects.create(user=alice, name="hers", prefix="syr_", digest="0")
    return {
        "dataset_id": dataset.pk,
        "file_id": source.pk,
        "file": source.pk,
        "utterance_id": utterance.pk,
        "voice_id": voice.pk,
        "base_voice_id": base.pk,
        "name": "alice.onnx",
        "job_id": job.pk,
        "sample_id": sample.pk,
        "checkpoint_id": checkpoint.pk,
        "checkpoint": checkpoint.pk,
        "agent_id": agent.pk,
        "token_id": token.pk,
        "datasets": dataset.pk,
        "voices": voice.pk,
        "base-voices": base.pk,
        "jobs": job.pk,
        "queue": job.pk,
        "fleet": agent.pk,
        "tokens": token.pk,
    }
