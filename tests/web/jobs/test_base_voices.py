"""Base voices: what may be uploaded, who sees it, what becomes of its files."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, TestCase

from tests.factories import claimed, host, ready_base, ready_dataset, uploaded
from web.accounts.models import Team, User
from web.core import storage
from web.core.problems import Conflict
from web.jobs import actions
from web.jobs import agent_actions as agents
from web.jobs.models import Job, JobInput
from web.voices.actions import delete_base_voice
from web.voices.models import BaseVoice

pytestmark = pytest.mark.django_db
RESULT = {
    "language": "en-us",
    "quality": "medium",
    "sample_rate": 22050,
    "num_speakers": 1,
    "num_symbols": 256,
    "parameters_found": "403",
    "max_difference": 3.8e-5,
}


def model(name: str = "en_US-ada-medium.onnx", body: bytes = b"onnx") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body)


def config(name: str = "en_US-ada-medium.onnx.json", body: bytes = b"{}") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body)


def upload(client: Client, *files: SimpleUploadedFile, **fields: str) -> tuple[int, dict[str, str]]:
    answer = client.post("/api/v1/base-voices", {"files": list(files), **fields})
    return answer.status_code, answer.json()


def test_an_onnx_voice_is_imported_and_its_upload_forgotten(
    as_alice: Client, alice: User, alpha: Team
) -> None:
    status, made = upload(as_alice, model(), config(), name="Ada", licence="CC0")
    assert status == 202, made
    base = BaseVoice.objects.get(pk=made["id"])
    assert (base.name, base.state, base.source) == ("Ada", "importing", "onnx")
    keys = list(JobInput.objects.values_list("key", flat=True))
    agent, _ = host()
    job, holder = claimed(agent)
    assert {row.name for row in job.inputs.all()} == {"source/model.onnx", "source/model.onnx.json"}
    manifest = [
        uploaded(holder, "weights.safetensors", "base_weights", b"weights"),
        uploaded(holder, "config.json", "base_config", b"{}"),
        uploaded(holder, "sample.wav", "base_sample", b"sound"),
    ]
    with TestCase.captureOnCommitCallbacks(execute=True):
        agents.finish_succeeded(holder, manifest, RESULT)
    base.refresh_from_db()
    assert (base.state, base.quality, base.num_symbols) == ("ready", "medium", 256)
    assert [storage.size(key) for key in keys] == [None, None]
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == len(b"weights") + len(b"{}")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([model()], "needs its .onnx.json"),
        ([config()], "Send either one .onnx"),
        ([model(), model("b.onnx"), config()], "Send either one .onnx"),
        ([model(body=b""), config()], "is empty"),
        ([model(), config(body=b"{nonsense")], "is not JSON"),
        ([model("voice.exe")], "Send either one .onnx"),
    ],
)
def test_it_refuses_what_is_no_voice(
    as_alice: Client, files: list[SimpleUploadedFile], said: str
) -> None:
    for file in files:
        file.seek(0)
    status, problem = upload(as_alice, *files)
    assert status == 422
    assert said in problem["detail"]
    assert not Job.objects.exists()


def test_what_is_refused_costs_nothing(
    as_alice: Client, as_victor: Client, alpha: Team, s3: ModuleType
) -> None:
    alpha.jobs_quota = 0
    alpha.save()
    assert upload(as_victor, model(), config())[0] == 403
    assert upload(as_alice, model(), config())[1]["code"] == "jobs_quota"
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == 0
    bucket = settings.SYRINX_S3_BUCKET
    assert not list(storage.client().list_objects(bucket, recursive=True))


def test_a_failed_import_that_is_deleted_gives_its_bytes_back(
    as_alice: Client, alice: User, alpha: Team
) -> None:
    upload(as_alice, model(), config())
    agent, _ = host()
    job, holder = claimed(agent)
    agents.finish_failed(holder, "not_piper", "This ONNX file is not a Piper voice.")
    again = actions.retry_job(alice, job)
    keys = list(again.inputs.values_list("key", flat=True))
    actions.cancel_job(alice, again)
    with TestCase.captureOnCommitCallbacks(execute=True):
        actions.delete_job(alice, job)
    assert all(storage.size(key) for key in keys), "the second try shares them"
    with TestCase.captureOnCommitCallbacks(execute=True):
        actions.delete_job(alice, again)
    assert [storage.size(key) for key in keys] == [None, None]
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == 0


def test_a_failed_import_says_why(as_alice: Client, alice: User) -> None:
    _, made = upload(as_alice, model(), config())
    agent, _ = host()
    _, holder = claimed(agent)
    agents.finish_failed(holder, "not_piper", "This ONNX file is not a Piper voice.")
    base = as_alice.get(f"/api/v1/base-voices/{made['id']}").json()
    assert (base["state"], base["error"]) == ("failed", "This ONNX file is not a Piper voice.")


def test_only_an_administrator_adds_one_for_all(as_alice: Client, as_root: Client) -> None:
    assert upload(as_alice, model(), config(), shared="true")[0] == 403
    assert upload(as_root, model(), config(), shared="true")[0] == 202


def test_an_outsider_sees_the_shared_ones_only(as_charlie: Client, alpha: Team) -> None:
    mine, shared = ready_base(alpha, "Hers"), ready_base(None, "Everyone's")
    listed = as_charlie.get("/api/v1/base-voices").json()["items"]
    assert [base["name"] for base in listed] == ["Everyone's"]
    assert as_charlie.get(f"/api/v1/base-voices/{shared.pk}").status_code == 200
    assert as_charlie.get(f"/api/v1/base-voices/{mine.pk}").status_code == 404
    assert as_charlie.delete(f"/api/v1/base-voices/{shared.pk}").status_code == 403


def test_an_outsiders_base_voice_can_not_be_trained_from(
    as_charlie: Client, charlie: User, alpha: Team
) -> None:
    theirs = charlie.memberships.get().team
    order = {
        "dataset_id": str(ready_dataset(theirs).pk),
        "base_voice_id": str(ready_base(alpha).pk),
        "preset": "cpu",
    }
    answer = as_charlie.post("/api/v1/jobs", json.dumps(order), content_type="application/json")
    assert answer.status_code == 404


def test_one_that_a_job_needs_is_not_deleted(alice: User, alpha: Team) -> None:
    base = ready_base(alpha)
    job = actions.submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=base)
    with pytest.raises(Conflict, match="needs Joe"):
        delete_base_voice(alice, base)
    actions.cancel_job(alice, job)
    delete_base_voice(alice, base)
    job.refresh_from_db()
    assert job.base_voice is None
