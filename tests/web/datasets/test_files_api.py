"""`POST /datasets/{id}/files`: what goes in, what is refused and why."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from tests.web.datasets.samples import codes, tarred, tone, upload, wav, zipped
from web.accounts.models import Team, User
from web.core.problems import Unavailable
from web.datasets.actions import add_files
from web.datasets.models import Dataset, DatasetState, SourceFile, Utterance, UtteranceStatus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]

MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" + bytes(400)


def used(team: Team) -> int:
    team.refresh_from_db()
    return team.storage_used_bytes


def stored(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.sources.values_list("name", "kind"))


def test_recordings_and_transcripts_go_in(
    as_bob: Client, dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    files = {"0001.wav": tone(), "0002.mp3": MP3, "metadata.csv": b"0001|Hi.\n0002|Ho.\n"}
    answer = upload(as_bob, dataset, files)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": list(files), "rejected": []}
    assert stored(dataset) == {"0001.wav": "audio", "0002.mp3": "audio", "metadata.csv": "metadata"}
    assert used(alpha) == sum(map(len, files.values()))
    row = dataset.sources.get(name="0002.mp3")
    assert (row.format, row.size) == ("mp3", len(MP3))
    assert b"".join(s3.read(row.key)) == MP3
    assert row.key.startswith(f"uploads/{alpha.pk}/{dataset.pk}/")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_go_in_member_by_member(as_bob: Client, dataset: Dataset, pack: Any) -> None:
    archive = pack(
        {
            "LJ/wavs/0001.wav": tone(),
            "LJ/metadata.csv": b"0001|Hi.\n",
            "LJ/README": b"read me",
            "../../evil.wav": tone(),
            "LJ/inner.zip": zipped({"a.wav": tone()}),
            "LJ/text.wav": b"not a recording",
            "LJ/empty.wav": b"",
            "__MACOSX/LJ/._0001.wav": b"litter",
        }
    )
    answer = upload(as_bob, dataset, {"corpus.zip": archive})
    assert answer.json()["accepted"] == ["LJ/wavs/0001.wav", "LJ/metadata.csv"]
    assert codes(answer) == {
        "LJ/README": "unknown_type",
        "../../evil.wav": "path_escape",
        "LJ/inner.zip": "nested_archive",
        "LJ/text.wav": "not_audio",
        "LJ/empty.wav": "empty",
    }
    assert all(entry["reason"].endswith(".") for entry in answer.json()["rejected"])


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.wav", b"", "empty"),
        ("metadata.csv", b"", "empty"),
        ("a.wav", b"This is no recording at all.", "not_audio"),
        ("a.mp3", b"#EXTM3U\nfile:///etc/passwd\n", "not_audio"),
        ("notes.txt", b"Dear diary", "not_transcripts"),
        ("photo.png", b"\x89PNG\r\n", "unknown_type"),
        ("nul.wav", tone(0.05), "device_name"),
        ("corpus.zip", zipped({}), "empty_archive"),
        ("corpus.zip", zipped({"a.wav": tone()})[:-40], "damaged_archive"),
        ("corpus.tgz", tarred({"a.wav": tone()})[:30], "damaged_archive"),
        ("bomb.zip", zipped({"a.wav": bytes(80 * 2**20)}), "zip_bomb"),
    ],
)
def test_what_is_refused_and_the_rest_goes_in(
    as_bob: Client, dataset: Dataset, name: str, data: bytes, code: str
) -> None:
    answer = upload(as_bob, dataset, {name: data, "good.wav": tone(0.05)})
    assert answer.status_code == 202
    assert answer.json()["accepted"] == ["good.wav"]
    assert list(codes(answer).values()) == [code]
    assert stored(dataset) == {"good.wav": "audio"}


def test_a_file_larger_than_allowed_is_refused(
    as_bob: Client, dataset: Dataset, settings: Any
) -> None:
    settings.SYRINX_UPLOAD_BYTES = 10_000
    archive = zipped({"b.wav": tone(0.1), "c.wav": tone(0.1, 300), "d.wav": tone(0.2)})
    answer = upload(as_bob, dataset, {"a.wav": tone(1), "corpus.zip": archive[:9000]})
    assert codes(answer)["a.wav"] == "too_large"
    assert dataset.sources.count() == 0


def test_a_call_without_files_is_a_clear_error(as_bob: Client, dataset: Dataset) -> None:
    answer = as_bob.post(f"/api/v1/datasets/{dataset.pk}/files", {})
    assert answer.status_code == 422
    assert "files" in answer.json()["detail"]


@pytest.mark.django_db(transaction=True)
def test_the_same_content_again_makes_no_new_object(
    as_bob: Client, dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    files = {"a.wav": tone(), "metadata.csv": b"a|Hi.\n"}
    upload(as_bob, dataset, files)
    before = list(dataset.sources.values_list("key", "uploaded"))
    size = used(alpha)
    Dataset.objects.update(state=DatasetState.READY)
    for again in (files, {"corpus.zip": zipped(files)}):
        assert upload(as_bob, dataset, again).json()["accepted"] == list(files)
    assert list(dataset.sources.values_list("key", "uploaded")) == before
    assert used(alpha) == size
    dataset.refresh_from_db()
    assert dataset.state == "ready"
    assert len(objects(s3)) == 2


def objects(s3: ModuleType) -> list[str]:
    from django.conf import settings

    return [
        o.object_name for o in s3.client().list_objects(settings.SYRINX_S3_BUCKET, recursive=True)
    ]


@pytest.mark.django_db(transaction=True)
def test_a_replaced_file_keeps_the_edits_of_its_utterance(
    as_bob: Client, dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    upload(as_bob, dataset, {"a.wav": tone()})
    row = dataset.sources.get()
    old_key = row.key
    utterance = Utterance.objects.create(
        dataset=dataset,
        position=0,
        name="a",
        text="Corrected.",
        text_edited=True,
        included=False,
        status=UtteranceStatus.OK,
        source=row,
        seconds=0.5,
        phonemes="x",
        clip_key="gone.wav",
    )
    Dataset.objects.update(state=DatasetState.READY)
    upload(as_bob, dataset, {"a.wav": tone(1.0)})
    row.refresh_from_db()
    utterance.refresh_from_db()
    dataset.refresh_from_db()
    assert dataset.state == "draft"
    assert (row.key != old_key, row.size) == (True, len(tone(1.0)))
    assert (utterance.text, utterance.included) == ("Corrected.", False)
    assert (utterance.status, utterance.clip_key, utterance.seconds) == ("new", "", None)
    assert utterance.source_id == row.pk
    assert used(alpha) == len(tone(1.0))
    assert objects(s3) == [row.key]


def test_files_do_not_change_while_they_are_checked(as_bob: Client, dataset: Dataset) -> None:
    upload(as_bob, dataset, {"a.wav": tone()})
    Dataset.objects.update(state=DatasetState.PREPARING)
    refused = upload(as_bob, dataset, {"b.wav": tone()})
    assert (refused.status_code, refused.json()["code"]) == (409, "preparing")
    file = f"/api/v1/datasets/{dataset.pk}/files/{dataset.sources.get().pk}"
    assert as_bob.delete(file).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_a_full_quota_refuses_with_a_sentence(
    as_bob: Client, dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    Team.objects.update(storage_quota_bytes=len(tone()) + 100)
    refused = upload(as_bob, dataset, {"big.wav": tone(5)})
    assert refused.status_code == 403
    assert refused.json()["code"] == "storage_quota"
    assert "ask an administrator" in refused.json()["detail"]
    # What fits goes in, what does not is named.
    partly = upload(as_bob, dataset, {"big.wav": tone(5), "small.wav": tone()})
    assert partly.status_code == 202
    assert partly.json()["accepted"] == ["small.wav"]
    assert codes(partly) == {"big.wav": "storage_quota"}
    assert used(alpha) == len(tone())
    assert len(objects(s3)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_store_that_does_not_answer_costs_nothing(
    bob: User, dataset: Dataset, alpha: Team, settings: Any
) -> None:
    settings.SYRINX_S3_BUCKET = "no-such-bucket"
    with pytest.raises(Unavailable, match="again in a moment"):
        add_files(bob, dataset, [SimpleUploadedFile("a.wav", tone())])
    assert (used(alpha), dataset.sources.count()) == (0, 0)


def test_one_name_twice_in_a_call_the_last_one_stays(
    as_bob: Client, dataset: Dataset, alpha: Team
) -> None:
    form = {"files": [SimpleUploadedFile("a.wav", tone(s)) for s in (0.1, 0.2)]}
    as_bob.post(f"/api/v1/datasets/{dataset.pk}/files", form)
    assert dataset.sources.get().size == len(tone(0.2)) == used(alpha)


@pytest.mark.django_db(transaction=True)
def test_parallel_uploads_of_one_name_leave_one_file_and_one_object(
    bob: User, dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    bodies = [tone(0.1 * (number + 1)) for number in range(6)]
    failures: list[BaseException] = []

    def send(body: bytes) -> None:
        try:
            add_files(bob, dataset, [SimpleUploadedFile("a.wav", body)])
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    row = dataset.sources.get()
    assert objects(s3) == [row.key]
    assert used(alpha) == row.size
    assert b"".join(s3.read(row.key)) in bodies


def test_files_are_listed_and_deleted(as_bob: Client, dataset: Dataset, alpha: Team) -> None:
    upload(as_bob, dataset, {"b.wav": tone(), "a.wav": wav(b"\0\0" * 10)})
    url = f"/api/v1/datasets/{dataset.pk}/files"
    page = as_bob.get(f"{url}?limit=1").json()
    assert (page["total"], page["items"][0]["name"]) == (2, "a.wav")
    assert page["items"][0]["kind"] == "audio"
    assert as_bob.delete(f"{url}/{page['items'][0]['id']}").status_code == 204
    assert as_bob.delete(f"{url}/{page['items'][0]['id']}").status_code == 404
    assert used(alpha) == len(tone())
    assert list(SourceFile.objects.values_list("name", flat=True)) == ["b.wav"]


def test_a_viewer_deletes_no_file(as_bob: Client, as_victor: Client, dataset: Dataset) -> None:
    upload(as_bob, dataset, {"a.wav": tone()})
    url = f"/api/v1/datasets/{dataset.pk}/files"
    assert as_victor.get(url).json()["total"] == 1
    assert as_victor.delete(f"{url}/{dataset.sources.get().pk}").status_code == 403


def test_many_files_go_in_over_several_batches(as_bob: Client, dataset: Dataset) -> None:
    files: Mapping[str, bytes] = {f"{n:03}.wav": wav(bytes([n, 0] * 50)) for n in range(150)}
    answer = upload(as_bob, dataset, {"corpus.zip": zipped(files)})
    assert answer.json() == {"accepted": list(files), "rejected": []}
    assert dataset.sources.count() == 150
