"""The account page: tokens are shown once, limits in words."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from web.accounts.models import ApiToken, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_a_token_is_shown_this_once(browser: Client) -> None:
    answer = browser.post(reverse("account"), {"name": "nightly"})
    row = ApiToken.objects.get(name="nightly")
    assert f'id="new-token">{row.prefix}' in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert "new-token" not in browser.get(reverse("account")).content.decode()


def test_a_revoked_token_is_gone_from_the_list(browser: Client) -> None:
    browser.post(reverse("account"), {"name": "nightly"})
    row = ApiToken.objects.get(name="nightly")
    browser.post(reverse("token-revoke", args=[row.pk]))
    page = browser.get(reverse("account")).content.decode()
    assert f"{row.prefix}…" not in page


def test_the_limits_are_a_part_of_the_page(browser: Client) -> None:
    page = browser.get(reverse("account-quotas"), headers={"hx-request": "true"}).content.decode()
    assert "Storage" in page
    assert "of 3000" in page


def test_signed_out_people_are_asked_to_sign_in(client: Client) -> None:
    answer = client.get(reverse("account"))
    assert answer.headers["Location"].startswith(reverse("account_login"))
