"""An administrator manages people, teams and quotas in the Django admin."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.cast import PASSWORD
from web.accounts.models import ApiToken, Membership, Team, User
from web.core.models import AuditEntry


@pytest.fixture
def signed_in(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def empty_inline(prefix: str = "memberships") -> dict[str, str]:
    return {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}


def test_a_quota_is_set_in_gigabytes_and_noted(signed_in: Client, alpha: Team) -> None:
    url = reverse("admin:accounts_team_change", args=[alpha.pk])
    assert 'value="50"' in signed_in.get(url).content.decode()

    answer = signed_in.post(
        url,
        {
            "name": "Alpha",
            "storage_gigabytes": "1.5",
            "gpu_minutes_quota": "60",
            "jobs_quota": "2",
            **empty_inline(),
        },
    )

    assert answer.status_code == 302
    alpha.refresh_from_db()
    assert alpha.storage_quota_bytes == 1_500_000_000
    assert (alpha.gpu_minutes_quota, alpha.jobs_quota) == (60, 2)
    entry = AuditEntry.objects.get(verb="change_team")
    assert entry.actor == "root" and entry.detail["storage_gigabytes"] == "1.5"


def test_a_user_is_made_and_put_into_a_team(signed_in: Client, alpha: Team) -> None:
    answer = signed_in.post(
        reverse("admin:accounts_user_add"),
        {
            "username": "dora",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "usable_password": "true",
            **empty_inline(),
        },
    )
    dora = User.objects.get(username="dora")
    assert answer.status_code == 302
    answer = signed_in.post(
        reverse("admin:accounts_user_change", args=[dora.pk]),
        {
            "username": "dora",
            "is_active": "on",
            "is_staff": "on",
            "memberships-TOTAL_FORMS": "1",
            "memberships-INITIAL_FORMS": "0",
            "memberships-0-user": str(dora.pk),
            "memberships-0-team": str(alpha.pk),
            "memberships-0-role": "viewer",
        },
    )

    assert answer.status_code == 302
    dora.refresh_from_db()
    assert dora.is_superuser and dora.check_password(PASSWORD)
    assert Membership.objects.get(user=dora).role == "viewer"
    assert PASSWORD not in str(list(AuditEntry.objects.values()))


def test_tokens_are_revoked_but_never_shown(signed_in: Client, as_alice: Client) -> None:
    row = ApiToken.objects.get()
    url = reverse("admin:accounts_apitoken_changelist")
    seen = signed_in.get(reverse("admin:accounts_apitoken_change", args=[row.pk]))
    assert row.digest not in seen.content.decode()

    signed_in.post(url, {"action": "revoke", "_selected_action": [str(row.pk)]})

    assert as_alice.get("/api/v1/me").status_code == 401
    assert AuditEntry.objects.get(verb="revoke_token").actor == "root"


def test_every_registered_model_has_working_pages(signed_in: Client, alpha: Team) -> None:
    for model in apps.get_models():
        if admin.site.is_registered(model) and model.__module__.startswith("web."):
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            assert signed_in.get(reverse(name) + "?q=a").status_code == 200, name


def test_the_audit_trail_cannot_be_edited(signed_in: Client, alice: User) -> None:
    assert signed_in.get(reverse("admin:core_auditentry_add")).status_code == 403
    assert signed_in.get(reverse("admin:accounts_team_changelist")).status_code == 200


def test_others_do_not_get_in(alice: User) -> None:
    client = Client()
    client.force_login(alice)

    assert client.get("/admin/").status_code in {302, 403}
    assert client.get("/admin/accounts/team/", follow=True).status_code in {403, 404, 200}
    assert b"Storage quota" not in client.get("/admin/accounts/team/", follow=True).content


def test_the_admin_signs_in_on_our_own_page() -> None:
    answer = Client().get("/admin/login/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
