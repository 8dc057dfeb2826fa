"""Voices over the API: list, fetch, download, rename, delete."""

from __future__ import annotations

import pytest
from django.test import Client, TestCase

from tests.factories import VOICE_RESULT, claimed, host, ready_base, ready_dataset, voice_manifest
from web.accounts.models import Team, User
from web.core import storage
from web.jobs import agent_actions as agents
from web.jobs.actions import submit_train
from web.voices.models import Voice

pytestmark = pytest.mark.django_db


@pytest.fixture
def voice(alice: User, alpha: Team) -> Voice:
    submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base(), name="Ada")
    agent, _ = host()
    _, holder = claimed(agent)
    agents.finish_succeeded(holder, voice_manifest(holder), VOICE_RESULT)
    return Voice.objects.get()


def body(answer: object) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_a_voice_shows_its_lineage_and_its_files(as_victor: Client, voice: Voice) -> None:
    shown = as_victor.get(f"/api/v1/voices/{voice.pk}").json()
    assert shown["stem"] == "en_US-ada-medium"
    assert shown["lineage"]["base_licence"] == "CC0"
    assert shown["lineage"]["dataset_version"] == 1
    by_role = {file["role"]: file for file in shown["files"]}
    assert len(by_role["onnx"]["sha256"]) == 64
    assert body(as_victor.get(by_role["onnx"]["url"])) == b"model"


def test_the_bundle_is_one_zip_named_after_the_voice(as_victor: Client, voice: Voice) -> None:
    answer = as_victor.get(f"/api/v1/voices/{voice.pk}/bundle")
    assert answer["Content-Type"] == "application/zip"
    assert "en_US-ada-medium.zip" in answer["Content-Disposition"]
    assert body(answer) == b"zip"


def test_an_outsider_finds_nothing(as_charlie: Client, voice: Voice) -> None:
    for path in ("", "/bundle", "/files/MODEL_CARD"):
        assert as_charlie.get(f"/api/v1/voices/{voice.pk}{path}").status_code == 404
    assert as_charlie.get("/api/v1/voices").json()["total"] == 0


def test_an_editor_renames_and_a_viewer_does_not(
    as_bob: Client, as_victor: Client, voice: Voice
) -> None:
    path, change = f"/api/v1/voices/{voice.pk}", {"name": "Ada, calm"}
    assert as_victor.patch(path, change, content_type="application/json").status_code == 403
    assert as_bob.patch(path, change, content_type="application/json").json()["name"] == "Ada, calm"


def test_deleting_a_voice_frees_its_files(as_alice: Client, alpha: Team, voice: Voice) -> None:
    keys = [file.key for file in voice.files.all()]
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert as_alice.delete(f"/api/v1/voices/{voice.pk}").status_code == 204
    assert all(storage.size(key) is None for key in keys)
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == 0


@pytest.mark.parametrize("text", ["", "  ", "\x00"])
def test_it_says_that_there_is_nothing_to_say(as_alice: Client, voice: Voice, text: str) -> None:
    answer = as_alice.post(
        f"/api/v1/voices/{voice.pk}/speak", {"text": text}, content_type="application/json"
    )
    assert answer.status_code == 422


def test_without_a_host_it_says_so(as_alice: Client, voice: Voice, nats_url: str) -> None:
    answer = as_alice.post(
        f"/api/v1/voices/{voice.pk}/speak", {"text": "Hello."}, content_type="application/json"
    )
    assert answer.status_code == 503
    assert "Fleet page" in answer.json()["detail"]
