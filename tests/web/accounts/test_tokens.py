"""`/tokens`: a user's own bearer tokens."""

from __future__ import annotations

from django.test import Client

from web.accounts.models import ApiToken, User
from web.core.models import AuditEntry

URL = "/api/v1/tokens"


def test_a_new_token_is_shown_once_and_works(as_alice: Client, alice: User) -> None:
    answer = as_alice.post(URL, {"name": "my script"}, content_type="application/json")

    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    token = answer.json()["token"]
    assert token.startswith("syr_")
    client = Client(headers={"Authorization": f"Bearer {token}"})
    listed = client.get(URL).json()
    assert [row["name"] for row in listed["items"]] == ["my script", "tests"]
    assert listed["total"] == 2 and listed["next"] is None
    assert "token" not in listed["items"][0]
    assert listed["items"][0]["prefix"] == token[:10]
    assert AuditEntry.objects.filter(verb="create_token", actor="alice").count() == 2


def test_only_the_hash_of_a_token_is_kept(as_alice: Client, alice: User) -> None:
    answer = as_alice.post(URL, {"name": "my script"}, content_type="application/json")

    row = ApiToken.objects.get(pk=answer.json()["id"])
    assert answer.json()["token"] not in str(row.__dict__)


def test_a_revoked_token_stops_working(as_alice: Client) -> None:
    made = as_alice.post(URL, {"name": "old"}, content_type="application/json").json()
    client = Client(headers={"Authorization": f"Bearer {made['token']}"})

    assert as_alice.delete(f"{URL}/{made['id']}").status_code == 204

    assert client.get(URL).status_code == 401
    assert as_alice.delete(f"{URL}/{made['id']}").status_code == 404


def test_nobody_revokes_the_token_of_another(as_charlie: Client, as_bob: Client) -> None:
    bobs = as_bob.get(URL).json()["items"][0]["id"]

    assert as_charlie.delete(f"{URL}/{bobs}").status_code == 404
    assert as_bob.get(URL).status_code == 200


def test_a_token_needs_a_name(as_alice: Client) -> None:
    for name in ("", "   ", None, 5, "x" * 61):
        answer = as_alice.post(URL, {"name": name}, content_type="application/json")
        assert answer.status_code == 422, name
        assert answer.json()["detail"].startswith("name:")


def test_the_number_of_tokens_has_a_limit(as_alice: Client, alice: User) -> None:
    ApiToken.objects.bulk_create(
        ApiToken(user=alice, name=str(i), prefix="syr_", digest=str(i)) for i in range(49)
    )

    answer = as_alice.post(URL, {"name": "one more"}, content_type="application/json")

    assert answer.status_code == 409
    assert answer.json()["code"] == "too_many_tokens"


def test_a_token_of_a_user_who_was_switched_off_is_refused(as_bob: Client, bob: User) -> None:
    bob.is_active = False
    bob.save()

    assert as_bob.get(URL).status_code == 401
