"""Every page at two widths, light and dark: readable, named, without complaints."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import sign_in
from tests.e2e.journey import Journey, listen_to_complaints
from tests.e2e.page_checks import faults
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(2400)]

WIDTHS = {"phone": (360, 740), "desk": (1280, 860)}


def addresses(journey: Journey) -> list[str]:
    return [
        "/",
        "/datasets/",
        f"/datasets/{journey.dataset}/",
        f"/datasets/{journey.dataset}/review/",
        f"/datasets/{journey.dataset}/files/",
        f"/trainings/new/?dataset={journey.dataset}",
        "/jobs/",
        f"/jobs/{journey.job}/",
        "/voices/",
        f"/voices/{journey.voice}/",
        "/base-voices/",
        "/fleet/",
        "/account/",
        "/accounts/password/change/",
    ]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(WIDTHS))
def width(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_page(browser: Browser, width: str, scheme: str) -> Page:
    wide, high = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": wide, "height": high},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    return context.new_page()


def test_every_page_can_be_read(
    stack: Stack, browser: Browser, journey: Journey, width: str, scheme: str
) -> None:
    page = open_page(browser, width, scheme)
    complaints: list[str] = []
    listen_to_complaints(page, complaints)
    wrong: list[str] = []
    try:
        page.goto(f"{stack.url}/accounts/login/")
        wrong += [f"sign in: {fault}" for fault in faults(page)]
        sign_in(page, stack.url, stack.credentials["username"], stack.credentials["password"])
        for address in addresses(journey):
            page.goto(stack.url + address)
            page.locator("h1").first.wait_for()
            wrong += [f"{address}: {fault}" for fault in faults(page)]
    finally:
        page.context.close()
    assert wrong == []
    assert complaints == []


def test_an_outsiders_page_says_that_nothing_is_here(
    stack: Stack, browser: Browser, journey: Journey
) -> None:
    user = json.loads(stack.manage("create_user", "otto", "--team", "Elsewhere", "--role", "owner"))
    page = open_page(browser, "desk", "light")
    try:
        sign_in(page, stack.url, user["username"], user["password"])
        for address in (f"/datasets/{journey.dataset}/", f"/jobs/{journey.job}/", "/fleet/"):
            response = page.goto(stack.url + address)
            assert response is not None
            assert response.status == 404
            expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    finally:
        page.context.close()


def test_a_chosen_theme_stays(stack: Stack, browser: Browser) -> None:
    page = open_page(browser, "desk", "light")
    try:
        sign_in(page, stack.url, stack.credentials["username"], stack.credentials["password"])
        toggle = page.locator(".side > .group [data-theme-toggle]")
        for now in ("system", "light"):
            expect(toggle).to_have_text(f"Theme: {now}")
            toggle.click()
        expect(toggle).to_have_text("Theme: dark")
        page.reload()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    finally:
        page.context.close()


def test_a_lost_connection_says_so_and_heals(stack: Stack, browser: Browser) -> None:
    page = open_page(browser, "desk", "light")
    try:
        sign_in(page, stack.url, stack.credentials["username"], stack.credentials["password"])
        note = page.locator("#connection")
        expect(note).to_be_hidden()
        page.route("**/api/v1/events", lambda route: route.abort())
        page.reload()
        expect(note).to_have_text("Connection lost: trying again…", timeout=15_000)
        page.unroute("**/api/v1/events")
        expect(note).to_have_text("Connected again", timeout=30_000)
        expect(note).to_be_hidden(timeout=15_000)
    finally:
        page.context.close()
