"""Pages that others wrote work under our content security policy and load nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, Request, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.cast import member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def page(live_server: LiveServer) -> Iterator[Page]:
    """A browser in which an administrator is signed in."""
    session = Client()
    session.force_login(member("root", None, staff=True))
    name = settings.SESSION_COOKIE_NAME
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        context = browser.new_context()
        cookie = session.cookies[name].value
        context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
        yield context.new_page()
        browser.close()


def faults_of(page: Page, url: str, ready: str) -> list[str]:
    """What the policy forbade, what was missing, and what was asked of other hosts."""
    ours = (url[: url.index("/", 8) + 1], "data:")
    faults: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(ours):
            faults.append(f"elsewhere: {request.url}")

    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on("request", note)
    page.goto(url)
    page.wait_for_selector(ready, timeout=20_000)
    return faults


def test_the_documentation_of_the_api(page: Page, live_server: LiveServer) -> None:
    assert faults_of(page, f"{live_server.url}/api/v1/docs", ".opblock") == []


@pytest.mark.parametrize(
    ("path", "ready"),
    [
        ("", "#content"),
        ("accounts/team/add/", "#id_storage_gigabytes"),
        ("accounts/user/add/", "#id_username"),
        ("core/auditentry/", "#changelist"),
    ],
)
def test_the_administration(page: Page, live_server: LiveServer, path: str, ready: str) -> None:
    assert faults_of(page, f"{live_server.url}/admin/{path}", ready) == []
