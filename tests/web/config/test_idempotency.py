"""A call that is sent again with its `Idempotency-Key` is answered again, not carried out again."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.cast import api_client
from web.accounts import actions
from web.accounts.models import Team, User
from web.core import idempotency
from web.core.models import IdempotencyRecord
from web.core.problems import Unavailable
from web.datasets.models import Dataset

DATASETS = "/api/v1/datasets"
TOKENS = "/api/v1/tokens"


def make(client: Client, key: str, name: str = "Alice reads") -> Any:
    return client.post(
        DATASETS,
        {"name": name, "language": "en-us"},
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def test_the_first_answer_is_given_again(as_alice: Client) -> None:
    first = make(as_alice, "one")
    second = make(as_alice, "one")

    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second["Content-Type"] == first["Content-Type"]
    assert second["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert Dataset.objects.count() == 1


def test_a_key_of_another_call_is_refused(as_alice: Client) -> None:
    make(as_alice, "one")

    answer = make(as_alice, "one", name="Another")

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Dataset.objects.count() == 1


def test_keys_belong_to_their_user(as_alice: Client, as_charlie: Client) -> None:
    make(as_alice, "one")

    assert "Idempotent-Replayed" not in make(as_charlie, "one")
    assert Dataset.objects.count() == 2


def test_a_refused_call_may_be_mended_under_its_key(as_alice: Client) -> None:
    assert make(as_alice, "one", name="").status_code == 422

    assert make(as_alice, "one").status_code == 201


def test_a_failure_on_our_side_is_not_kept(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise Unavailable("Try again.")

    headers = {"Idempotency-Key": "one"}
    with monkeypatch.context() as patch:
        patch.setattr(actions, "create_token", down)
        broken = as_alice.post(
            TOKENS, {"name": "a"}, content_type="application/json", headers=headers
        )
    again = as_alice.post(TOKENS, {"name": "a"}, content_type="application/json", headers=headers)

    assert broken.status_code == 503
    assert again.status_code == 201


def test_an_answer_with_a_secret_is_not_written_down(as_alice: Client, alice: User) -> None:
    headers = {"Idempotency-Key": "one"}
    first = as_alice.post(TOKENS, {"name": "a"}, content_type="application/json", headers=headers)

    second = as_alice.post(TOKENS, {"name": "a"}, content_type="application/json", headers=headers)

    assert first.status_code == 201
    assert second.status_code == 409 and second.json()["code"] == "answered_once"
    assert alice.api_tokens.filter(name="a").count() == 1
    assert "syr_" not in IdempotencyRecord.objects.get().body


@pytest.mark.parametrize("key", ["", "x" * 201, "with space", "ümlaut"])
def test_a_malformed_key_is_refused(as_alice: Client, key: str) -> None:
    assert make(as_alice, key).json()["code"] == "idempotency_key"


def test_without_a_token_a_key_changes_nothing(anonymous: Client, db: None) -> None:
    assert make(anonymous, "one").status_code == 401
    assert IdempotencyRecord.objects.count() == 0


def test_old_records_are_forgotten(as_alice: Client) -> None:
    make(as_alice, "one")
    assert idempotency.prune() == 0
    yesterday = timezone.now() - timedelta(hours=25)
    IdempotencyRecord.objects.update(created=yesterday)

    assert idempotency.prune() == 1


@pytest.mark.django_db(transaction=True)
def test_of_calls_at_the_same_time_one_is_carried_out() -> None:
    team = Team.objects.create(name="Alpha")
    user, _ = actions.create_user("alice", team=team)
    client = api_client(user)
    answers: list[Any] = []
    together = threading.Barrier(6)

    def call() -> None:
        together.wait()
        try:
            answers.append(make(client, "one"))
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Dataset.objects.count() == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert make(client, "one").json() == next(a for a in answers if a.status_code == 201).json()
