"""What nobody needs any more leaves the store; what somebody needs stays."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from tests.factories import (
    VOICE_RESULT,
    claimed,
    host,
    ready_base,
    ready_dataset,
    uploaded,
    voice_manifest,
)
from web.accounts.models import Team, User
from web.core import storage
from web.jobs import agent_actions as agents
from web.jobs.actions import submit_train
from web.jobs.models import Job, JobObject
from web.jobs.sweeping import sweep_objects
from web.voices.models import VoiceFile

pytestmark = pytest.mark.django_db


def test_only_what_no_row_names_is_swept(alice: User, alpha: Team) -> None:
    submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())
    agent, _ = host()
    _, holder = claimed(agent)
    stray = uploaded(holder, "stray.wav", "sample", b"nobody needs this")
    key = JobObject.objects.get(sha256=stray.sha256).key
    agents.finish_succeeded(holder, voice_manifest(holder), VOICE_RESULT)
    assert sweep_objects() == 0, "the job has just ended; a late upload may still come"
    Job.objects.update(ended=timezone.now() - timedelta(hours=2))
    assert sweep_objects() == 1
    assert storage.size(key) is None
    assert all(storage.size(file.key) for file in VoiceFile.objects.all())
    assert sweep_objects() == 0


def test_an_upload_that_was_broken_off_leaves_no_parts(alice: User, alpha: Team) -> None:
    submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())
    agent, _ = host()
    _, holder = claimed(agent)
    [row] = agents.create_objects(holder, [("big.ckpt", 100 * 2**20, "0" * 64)])
    upload = agents.multipart_of(row)
    assert agents.multipart_of(row) == upload, "a second try goes on with the same upload"
    agents.finish_failed(holder, "broken", "It broke.")
    Job.objects.update(ended=timezone.now() - timedelta(hours=2))
    assert sweep_objects() == 1
    part = storage.presigned_part(row.key, upload, 1)
    assert httpx.put(part, content=b"late").status_code == 404
