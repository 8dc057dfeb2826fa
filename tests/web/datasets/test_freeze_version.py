"""A version is what is included now; the same content is the same version."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.web.datasets.checks import check, fill
from web.accounts.models import User
from web.core.problems import Invalid
from web.datasets.actions import edit_utterance, freeze_version
from web.datasets.models import Dataset, DatasetState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]


@pytest.fixture
def ready(dataset: Dataset) -> Dataset:
    fill(dataset, "a|One.\nb|Two.\nlost|L.\n", "a.wav", "b.wav")
    return check(dataset)


def test_it_holds_what_is_included(ready: Dataset, alice: User) -> None:
    edit_utterance(alice, ready.utterances.get(name="b"), included=False)
    version = freeze_version(ready)
    assert (version.number, version.utterances, version.seconds) == (1, 1, 2.0)
    item = version.items.get()
    row = ready.utterances.get(name="a")
    assert (item.name, item.text, item.clip_key) == ("a", "One.", row.clip_key)
    assert len(version.sha256) == 64


def test_the_same_content_is_the_same_version(ready: Dataset) -> None:
    first = freeze_version(ready)
    check(ready)  # makes new clips of the same content
    assert freeze_version(ready) == first


def test_another_text_is_another_version_and_the_old_one_stays(ready: Dataset, alice: User) -> None:
    first = freeze_version(ready)
    edit_utterance(alice, ready.utterances.get(name="a"), text="Won.")
    second = freeze_version(ready)
    assert (second.number, second.sha256 != first.sha256) == (2, True)
    assert first.items.get(name="a").text == "One."
    edit_utterance(alice, ready.utterances.get(name="a"), text="One.")
    assert freeze_version(ready) == first


@pytest.mark.parametrize(
    ("state", "words"),
    [("draft", "checked first"), ("preparing", "Wait until"), ("failed", "check failed")],
)
def test_it_refuses_a_dataset_that_is_not_ready(ready: Dataset, state: str, words: str) -> None:
    Dataset.objects.update(state=DatasetState(state))
    with pytest.raises(Invalid, match=words) as refused:
        freeze_version(ready)
    assert refused.value.code == "not_ready"


def test_it_refuses_when_nothing_is_included(ready: Dataset, alice: User) -> None:
    for row in ready.utterances.filter(status="ok"):
        edit_utterance(alice, row, included=False)
    with pytest.raises(Invalid, match="included") as refused:
        freeze_version(ready)
    assert refused.value.code == "nothing_included"


def test_versions_are_listed_newest_first(
    ready: Dataset, alice: User, as_victor: Client, as_charlie: Client
) -> None:
    freeze_version(ready)
    edit_utterance(alice, ready.utterances.get(name="a"), text="Won.")
    freeze_version(ready)
    url = f"/api/v1/datasets/{ready.pk}/versions"
    listed = as_victor.get(url).json()
    assert [item["number"] for item in listed["items"]] == [2, 1]
    assert listed["items"][0]["utterances"] == 2
    assert as_charlie.get(url).status_code == 404
