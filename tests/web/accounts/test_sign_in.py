"""Signing in is limited, and nobody signs up by themselves."""

from __future__ import annotations

from django.core.cache import cache
from django.test import Client

from tests.cast import PASSWORD
from web.accounts.models import User

URL = "/accounts/login/"


def test_a_member_signs_in(alice: User) -> None:
    client = Client()

    answer = client.post(URL, {"login": "alice", "password": PASSWORD})

    assert answer.status_code == 302 and answer["Location"] == "/"


def test_after_five_wrong_passwords_even_the_right_one_waits(alice: User) -> None:
    cache.clear()
    client = Client()
    for _ in range(5):
        assert client.post(URL, {"login": "alice", "password": "wrong"}).status_code == 200

    answer = client.post(URL, {"login": "alice", "password": PASSWORD})

    assert answer.status_code == 200
    assert "Too many failed" in answer.content.decode()
    cache.clear()


def test_a_forged_address_does_not_get_around_the_limit(alice: User) -> None:
    cache.clear()
    answers = [
        Client(headers={"X-Forwarded-For": f"10.0.0.{n}"}).post(
            URL, {"login": f"user{n}", "password": "wrong"}
        )
        for n in range(11)
    ]

    assert "Too many failed" in answers[-1].content.decode() or answers[-1].status_code == 429
    cache.clear()


def test_nobody_signs_up(db: None) -> None:
    Client().post(
        "/accounts/signup/",
        {"username": "eve", "password1": PASSWORD, "password2": PASSWORD},
    )

    assert not User.objects.exists()
