"""`GET /me`"""

from __future__ import annotations

from django.test import Client
from django.utils import timezone

from web.accounts import actions
from web.accounts.models import Team, User
from web.jobs.models import Job, JobState


def test_it_tells_who_i_am_and_what_of_the_quotas_is_used(as_bob: Client, alpha: Team) -> None:
    actions.reserve_storage(alpha, 1000)
    actions.charge_gpu(alpha, 60)
    actions.charge_gpu(alpha, 30)
    now = timezone.now()
    for state in JobState.values:
        Job.objects.create(
            team=alpha, kind="train", name="A", state=state, queued_at=now, rung_at=now
        )

    answer = as_bob.get("/api/v1/me").json()

    assert answer == {
        "user": {"username": "bob", "administrator": False},
        "teams": [
            {
                "id": str(alpha.pk),
                "name": "Alpha",
                "role": "editor",
                "storage": {"used_bytes": 1000, "quota_bytes": 50_000_000_000},
                "gpu_minutes": {"used": 1.5, "quota": 3000},
                "jobs": {"active": 2, "quota": 8},
            }
        ],
    }


def test_an_administrator_need_not_be_in_a_team(as_root: Client) -> None:
    assert as_root.get("/api/v1/me").json() == {
        "user": {"username": "root", "administrator": True},
        "teams": [],
    }


def test_the_browsers_session_counts_too_and_changes_need_its_csrf_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get("/api/v1/me").json()["user"]["username"] == "alice"

    refused = client.post("/api/v1/tokens", {"name": "a"}, content_type="application/json")
    assert refused.status_code == 403 and refused.json()["code"] == "csrf"

    client.get("/account/")  # its page sets the cookie
    token = client.cookies["csrftoken"].value
    taken = client.post(
        "/api/v1/tokens",
        {"name": "a"},
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )
    assert taken.status_code == 201
