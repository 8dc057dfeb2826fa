"""`/datasets/{id}/utterances`: review, correct, listen."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import pytest
from django.test import Client

from tests.web.datasets.checks import add_source, check, fill, issue
from tests.web.datasets.samples import tone
from web.core.problems import Conflict
from web.datasets.models import Dataset, DatasetState, Utterance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]

QUIET = issue("quiet", "Record it closer.", -42.0, -40.0)


@pytest.fixture
def ready(dataset: Dataset) -> Dataset:
    fill(dataset, "a|One.\nb|Two.\nc|Three.\n", "a.wav", "b.wav", "c.wav", "orphan.wav")
    short = {"status": "rejected", "issues": [issue("too_short", "Too short.")]}
    return check(dataset, {"b": {"status": "look", "issues": [QUIET]}, "c": short})


def url(dataset: Dataset, name: str = "", tail: str = "") -> str:
    base = f"/api/v1/datasets/{dataset.pk}/utterances"
    return f"{base}/{dataset.utterances.get(name=name).pk}{tail}" if name else base


def patch(client: Client, dataset: Dataset, name: str, **fields: Any) -> Any:
    return client.patch(url(dataset, name), fields, content_type="application/json")


def test_an_item_has_all_that_a_review_needs(as_victor: Client, ready: Dataset) -> None:
    listed = as_victor.get(url(ready)).json()
    assert listed["total"] == 4
    row = ready.utterances.get(name="b")
    assert listed["items"][1] == {
        "id": str(row.pk),
        "name": "b",
        "text": "Two.",
        "text_edited": False,
        "seconds": 2.0,
        "included": True,
        "status": "look",
        "issues": [QUIET],
        "phonemes": "həloʊ",
        "has_audio": True,
    }
    assert [item["included"] for item in listed["items"]] == [True, True, False, False]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=look", ["b"]),
        ("status=rejected", ["c", "orphan.wav"]),
        ("included=true", ["a", "b"]),
        ("included=false", ["c", "orphan.wav"]),
        ("issue=quiet", ["b"]),
        ("issue=no_transcript", ["orphan.wav"]),
        ("search=THREE", ["c"]),
        ("search=orph", ["orphan.wav"]),
        ("search=%25", []),
        ("limit=1&offset=2", ["c"]),
    ],
)
def test_filters(as_bob: Client, ready: Dataset, query: str, names: list[str]) -> None:
    listed = as_bob.get(f"{url(ready)}?{query}").json()
    assert [item["name"] for item in listed["items"]] == names


def test_an_unknown_status_is_refused(as_bob: Client, ready: Dataset) -> None:
    assert as_bob.get(f"{url(ready)}?status=nonsense").status_code == 422


def test_a_corrected_text_makes_its_phonemes_stale(as_bob: Client, ready: Dataset) -> None:
    changed = patch(as_bob, ready, "a", text="  Won\u0301, \n two. ")
    assert changed.status_code == 200
    assert changed.json()["text"] == "Wo\u0144, two."
    assert (changed.json()["text_edited"], changed.json()["phonemes"]) == (True, "")
    ready.refresh_from_db()
    assert ready.state == "ready"  # the recording is still good: a training phonemises anew


def test_leaving_out_changes_the_figures(as_bob: Client, ready: Dataset) -> None:
    assert patch(as_bob, ready, "a", included=False).json()["included"] is False
    report = as_bob.get(f"/api/v1/datasets/{ready.pk}").json()["report"]
    assert (report["utterances"], report["minutes"]) == (1, 0.03)
    assert len(report["rejected"]) == 2
    patch(as_bob, ready, "a", included=True)
    report = as_bob.get(f"/api/v1/datasets/{ready.pk}").json()["report"]
    assert report["utterances"] == 2


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("c", {"included": True}, "rejected"),
        ("a", {"text": " \n"}, "no_text"),
        ("a", {"text": "word " * 1000}, "text_too_long"),
    ],
)
def test_what_can_not_be(
    as_bob: Client, ready: Dataset, name: str, fields: dict[str, Any], code: str
) -> None:
    answer = patch(as_bob, ready, name, **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_text_for_a_recording_without_one_asks_for_a_check(
    as_bob: Client, ready: Dataset
) -> None:
    written = patch(as_bob, ready, "orphan.wav", text="Found.").json()
    assert (written["status"], written["issues"]) == ("new", [])
    ready.refresh_from_db()
    assert ready.state == "draft"
    check(ready)
    assert ready.utterances.get(name="orphan.wav").status == "ok"
    assert "orphan.wav" not in {entry["name"] for entry in ready.report["rejected"]}


def test_texts_wait_while_they_are_checked(as_bob: Client, ready: Dataset) -> None:
    Dataset.objects.update(state=DatasetState.PREPARING)
    answer = patch(as_bob, ready, "a", text="Won.")
    assert (answer.status_code, answer.json()["code"]) == (Conflict.status, "preparing")
    assert patch(as_bob, ready, "a", included=False).status_code == 200


def test_a_viewer_listens_and_changes_nothing(as_victor: Client, ready: Dataset) -> None:
    assert patch(as_victor, ready, "a", text="x").status_code == 403
    assert Utterance.objects.get(name="a").text == "One."


def test_an_outsider_finds_nothing(as_charlie: Client, ready: Dataset) -> None:
    assert as_charlie.get(url(ready)).status_code == 404
    assert patch(as_charlie, ready, "a", text="x").status_code == 404
    assert as_charlie.get(url(ready, "a", "/audio")).status_code == 404


def test_an_utterance_is_not_found_through_another_dataset(
    as_charlie: Client, charlie: Any, ready: Dataset
) -> None:
    made = as_charlie.post(
        "/api/v1/datasets", {"name": "Mine", "language": "de"}, content_type="application/json"
    ).json()
    row = ready.utterances.get(name="a")
    path = f"/api/v1/datasets/{made['id']}/utterances/{row.pk}"
    assert as_charlie.get(f"{path}/audio").status_code == 404
    changed = as_charlie.patch(path, {"text": "x"}, content_type="application/json")
    assert changed.status_code == 404


def test_the_clip_is_played_and_before_a_check_the_upload(
    as_victor: Client, ready: Dataset, s3: ModuleType
) -> None:
    row = ready.utterances.get(name="a")
    clip = tone(0.1)
    s3.put(row.clip_key, io.BytesIO(clip), len(clip))
    Utterance.objects.filter(pk=row.pk).update(clip_size=len(clip))
    answer = as_victor.get(url(ready, "a", "/audio"))
    assert (answer["Content-Type"], answer.getvalue()) == ("audio/wav", clip)
    part = as_victor.get(url(ready, "a", "/audio"), headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.getvalue()) == (206, b"RIFF")
    body = b"ID3\x04" + bytes(100)
    source = add_source(ready, "d.mp3", body)
    Utterance.objects.create(dataset=ready, position=9, name="d", source=source)
    answer = as_victor.get(url(ready, "d", "/audio"))
    assert (answer["Content-Type"], answer.getvalue()) == ("audio/mpeg", body)


def test_a_row_without_recording_has_no_audio(as_victor: Client, ready: Dataset) -> None:
    Utterance.objects.create(dataset=ready, position=9, name="lost")
    assert as_victor.get(url(ready, "lost", "/audio")).status_code == 404
