"""`/datasets`: make, list, read, rename, delete; and who may."""

from __future__ import annotations

import threading
from types import ModuleType
from uuid import uuid4

import pytest
from django.db import connection
from django.dispatch import receiver
from django.test import Client

from tests.web.datasets.samples import tone, upload
from web.accounts.models import Team, User
from web.core.problems import Conflict, Invalid
from web.datasets.actions import create_dataset
from web.datasets.models import Dataset, DatasetState
from web.datasets.signals import dataset_deleting

pytestmark = pytest.mark.django_db
URL = "/api/v1/datasets"


def make(client: Client, **fields: str) -> object:
    body = {"name": "Ada", "language": "en-us", **fields}
    return client.post(URL, body, content_type="application/json")


def test_an_editor_makes_a_dataset(as_bob: Client) -> None:
    answer = as_bob.post(
        URL, {"name": " Ada  Lovelace ", "language": "en_US"}, content_type="application/json"
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "Ada Lovelace"
    assert (made["language"], made["language_name"]) == ("en-us", "English (America)")
    assert (made["state"], made["team"], made["files"]) == ("draft", "Alpha", 0)
    assert made["report"] == {"utterances": 0, "minutes": 0.0, "rejected": [], "warnings": []}
    assert as_bob.get(f"{URL}/{made['id']}").json() == made
    assert as_bob.get(URL).json() == {"items": [made], "total": 1, "next": None}


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"language": "en-xx"}, "language", "Did you mean 'en"),
        ({"language": "klingonish"}, "language", "espeak-ng"),
        ({"name": "  "}, "name", "1 to 80"),
        ({"name": "x" * 81}, "name", "1 to 80"),
        ({"name": "\x07"}, "name", "1 to 80"),
        ({"team": "Nobody's"}, "team", "Nobody's"),
    ],
)
def test_what_is_wrong_is_said(
    as_alice: Client, fields: dict[str, str], code: str, words: str
) -> None:
    body = {"name": "Ada", "language": "en-us", **fields}
    answer = as_alice.post(URL, body, content_type="application/json")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert words in answer.json()["detail"]


def test_a_name_is_unique_in_a_team_and_free_in_another(
    as_alice: Client, as_charlie: Client, dataset: Dataset
) -> None:
    body = {"name": "Ada", "language": "de"}
    refused = as_alice.post(URL, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (422, "name_taken")
    assert as_charlie.post(URL, body, content_type="application/json").status_code == 201


def test_a_viewer_reads_and_may_not_write(as_victor: Client, dataset: Dataset) -> None:
    one = f"{URL}/{dataset.pk}"
    assert as_victor.get(one).status_code == 200
    body = {"name": "B", "language": "de"}
    json = "application/json"
    assert as_victor.post(URL, body, content_type=json).status_code == 403
    assert as_victor.patch(one, {"name": "B"}, content_type=json).status_code == 403
    assert as_victor.delete(one).status_code == 403
    assert upload(as_victor, dataset, {"a.wav": tone()}).status_code == 403


def test_an_outsider_finds_nothing(as_charlie: Client, dataset: Dataset) -> None:
    one, thing = f"{URL}/{dataset.pk}", uuid4()
    json = "application/json"
    assert as_charlie.get(URL).json()["total"] == 0
    assert upload(as_charlie, dataset, {"a.wav": tone()}).status_code == 404
    answers = [
        as_charlie.get(one),
        as_charlie.patch(one, {"name": "Mine"}, content_type=json),
        as_charlie.delete(one),
        as_charlie.get(f"{one}/files"),
        as_charlie.delete(f"{one}/files/{thing}"),
        as_charlie.get(f"{one}/utterances"),
        as_charlie.patch(f"{one}/utterances/{thing}", {"text": "x"}, content_type=json),
        as_charlie.get(f"{one}/utterances/{thing}/audio"),
        as_charlie.get(f"{one}/versions"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert answers[0].json() == as_charlie.get(f"{URL}/{uuid4()}").json()


def test_nobody_gets_in_without_a_token(anonymous: Client, dataset: Dataset) -> None:
    assert anonymous.get(URL).status_code == 401
    assert anonymous.get(f"{URL}/{dataset.pk}").status_code == 401
    assert anonymous.get("/api/v1/languages").status_code == 401


def test_it_is_renamed_and_another_language_calls_for_another_check(
    as_bob: Client, dataset: Dataset
) -> None:
    Dataset.objects.update(state=DatasetState.READY)
    one, json = f"{URL}/{dataset.pk}", "application/json"
    renamed = as_bob.patch(one, {"name": "Grace"}, content_type=json).json()
    assert (renamed["name"], renamed["state"]) == ("Grace", "ready")
    changed = as_bob.patch(one, {"language": "de"}, content_type=json).json()
    assert (changed["language"], changed["state"]) == ("de", "draft")
    wrong = as_bob.patch(one, {"language": "xx"}, content_type=json)
    assert wrong.json()["code"] == "language"


def test_lists_are_paged(as_alice: Client, alice: User, alpha: Team) -> None:
    for number in range(5):
        create_dataset(alice, alpha, f"Voice {number}", "de")
    first = as_alice.get(f"{URL}?limit=2").json()
    assert [item["name"] for item in first["items"]] == ["Voice 4", "Voice 3"]
    assert first["total"] == 5
    second = as_alice.get(first["next"]).json()
    assert [item["name"] for item in second["items"]] == ["Voice 2", "Voice 1"]


def test_languages_are_listed(as_victor: Client) -> None:
    listed = as_victor.get("/api/v1/languages").json()
    assert {"code": "en-us", "name": "English (America)"} in listed


@pytest.mark.django_db(transaction=True)
def test_deleting_frees_the_storage_and_removes_the_objects(
    as_bob: Client, alpha: Team, dataset: Dataset, s3: ModuleType
) -> None:
    upload(as_bob, dataset, {"a.wav": tone(), "metadata.csv": b"a|Hi.\n"})
    keys = list(dataset.sources.values_list("key", flat=True))
    assert all(s3.size(key) for key in keys)
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == len(tone()) + 6
    assert as_bob.delete(f"{URL}/{dataset.pk}").status_code == 204
    assert as_bob.get(f"{URL}/{dataset.pk}").status_code == 404
    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == 0
    assert [s3.size(key) for key in keys] == [None, None]


def test_it_is_not_deleted_while_it_is_checked(as_alice: Client, dataset: Dataset) -> None:
    Dataset.objects.update(state=DatasetState.PREPARING)
    refused = as_alice.delete(f"{URL}/{dataset.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "preparing")


def test_it_is_not_deleted_while_another_app_forbids_it(as_alice: Client, dataset: Dataset) -> None:
    @receiver(dataset_deleting)
    def forbid(sender: object, dataset: Dataset, **_: object) -> None:
        raise Conflict(f"{dataset.name} is in use.", code="in_use")

    try:
        refused = as_alice.delete(f"{URL}/{dataset.pk}")
    finally:
        dataset_deleting.disconnect(forbid)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert Dataset.objects.filter(pk=dataset.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_take_one_name_at_once(alice: User, alpha: Team) -> None:
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            create_dataset(alice, alpha, "Same", "de")
            outcomes.append("made")
        except Invalid as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "name_taken", "name_taken", "name_taken"]
