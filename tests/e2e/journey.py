"""What a first-time user does: sign in, upload, check, review, train, listen, speak, download."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.stack import ROOT, Stack

SAMPLE = ROOT / "web" / "datasets" / "sample"
# Milliseconds. Training steps on a shared CPU take their time.
QUICK, SPOKEN, CHECKED, TRAINED = 20_000, 60_000, 240_000, 900_000
STEPS = 2
TEXT = "Good evening! The kettle is on."


@dataclass
class Journey:
    """What was made on the way, and what was seen."""

    username: str = ""
    password: str = ""
    dataset: str = ""
    job: str = ""
    voice: str = ""
    bundle: Path = Path()
    seen: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """Of the browser's console: errors, and what the content security policy refused."""


def go(stack: Stack, browser: Browser, folder: Path) -> Journey:
    journey = Journey()
    user = json.loads(stack.manage("create_user", "flora", "--team", "Meadow", "--role", "editor"))
    journey.username, journey.password = user["username"], user["password"]
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    listen_to_complaints(page, journey.complaints)
    try:
        _sign_in(page, stack.url, journey)
        _upload(page, journey)
        _check(page)
        _review(page, journey)
        _train(page, journey)
        _watch_and_listen(page, journey)
        _speak(page, journey)
        _download(page, journey, folder)
    except Exception:
        page.screenshot(path=str(folder / "where-it-stopped.png"), full_page=True)
        print(f"stopped at {page.url}; see {folder}/where-it-stopped.png")
        raise
    finally:
        context.close()
    return journey


def listen_to_complaints(page: Page, complaints: list[str]) -> None:
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{page.url}: {message.text}") if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))


def _sign_in(page: Page, url: str, journey: Journey) -> None:
    page.goto(url)
    page.get_by_label("User name").fill(journey.username)
    page.get_by_label("Password").fill(journey.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Make a voice")).to_be_visible(timeout=QUICK)
    expect(page.get_by_role("button", name="Try it with our sample")).to_be_visible()


def _upload(page: Page, journey: Journey) -> None:
    page.get_by_role("link", name="Add recordings").click()
    page.get_by_role("button", name="New dataset").first.click()
    page.get_by_label("Name").fill("Kettle and harbour")
    page.get_by_label("Language that is spoken").select_option("en-us")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="Kettle and harbour")).to_be_visible(timeout=QUICK)
    journey.dataset = page.url.rstrip("/").rpartition("/")[2]
    files = [SAMPLE / "metadata.csv", *sorted((SAMPLE / "wavs").iterdir())]
    page.locator("#upload-files").set_input_files([*files, Path(__file__)])
    upload = page.locator("#upload")
    expect(upload).to_contain_text(f"{len(files)} files stored, 1 not taken", timeout=QUICK)
    journey.seen["refusal"] = upload.locator(".upload-list").inner_text()


def _check(page: Page) -> None:
    page.get_by_role("button", name="Check recordings").first.click()
    # Without reloading: the page hears of it.
    expect(page.get_by_role("link", name="Train a voice").first).to_be_visible(timeout=CHECKED)


def _review(page: Page, journey: Journey) -> None:
    page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Review").click()
    first = page.locator(".utterance").nth(0)
    expect(first).to_have_attribute("aria-current", "true")
    page.keyboard.press("j")
    second = page.locator(".utterance").nth(1)
    expect(second).to_have_attribute("aria-current", "true")
    page.keyboard.press("e")
    box = second.get_by_role("textbox")
    expect(box).to_be_focused()
    corrected = f"{box.input_value()} Indeed."
    box.fill(corrected)
    page.keyboard.press("Enter")
    expect(second.locator(".u-text")).to_have_text(corrected, timeout=QUICK)
    page.reload()
    journey.seen["corrected"] = page.locator(".u-text", has_text=corrected).first.inner_text()
    page.get_by_role("link", name="Train a voice").first.click()


def _train(page: Page, journey: Journey) -> None:
    # It may be being imported still: then the page shows it by itself when it is ready.
    expect(page.get_by_role("radio", name="Joe")).to_be_visible(timeout=CHECKED)
    forecast = page.locator("#forecast")
    page.locator("[name=preset][value=fine-tune]").check()
    expect(forecast).to_contain_text("No host with a GPU is connected", timeout=QUICK)
    page.locator("[name=preset][value=cpu]").check()
    expect(forecast).not_to_contain_text("No host with a GPU", timeout=QUICK)
    page.get_by_text("Advanced").click()
    page.get_by_label("Length").fill(str(STEPS))
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("list", name="Stages")).to_be_visible(timeout=QUICK)
    journey.job = page.url.rstrip("/").rpartition("/")[2]


def _watch_and_listen(page: Page, journey: Journey) -> None:
    page.evaluate("window.stayed = true")
    expect(page.locator("#charts canvas").first).to_be_visible(timeout=TRAINED)
    journey.seen["host"] = page.locator(".job-big").inner_text()
    sample = page.locator("#grid [data-play]").first
    expect(sample).to_be_visible(timeout=TRAINED)
    sample.click()
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#player-clock")).not_to_have_text("0:00 / 0:00", timeout=QUICK)
    expect(page.get_by_role("link", name="Go to the voice")).to_be_visible(timeout=TRAINED)
    journey.seen["live"] = str(page.evaluate("window.stayed"))
    journey.seen["stages"] = page.get_by_role("list", name="Stages").inner_text()
    page.get_by_role("link", name="Go to the voice").click()


def _speak(page: Page, journey: Journey) -> None:
    expect(page.get_by_role("heading", name="Say something")).to_be_visible(timeout=QUICK)
    journey.voice = page.url.rstrip("/").rpartition("/")[2]
    page.get_by_label("What should it say?").fill(TEXT)
    page.get_by_role("button", name="Say it").click()
    said = page.locator("[data-said]")
    expect(said).to_contain_text("Answered in", timeout=SPOKEN)
    journey.seen["answer"] = said.inner_text()
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#player-title")).to_have_text(TEXT)


def _download(page: Page, journey: Journey, folder: Path) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the bundle").click()
    journey.bundle = folder / waiting.value.suggested_filename
    waiting.value.save_as(journey.bundle)
