"""Takes the pictures in docs/screenshots from a running portal, with a real training in them.

    manage.py up --data var          (in another terminal)
    scripts/screenshots.py --credentials var/credentials.json

Makes a dataset from the bundled sample, trains a few steps on whatever host is there, and
photographs the pages while that runs and after: wide and narrow, light and dark.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "web" / "datasets" / "sample"
NAME = "Morning kettle"
SIZES = {"desk": (1280, 860), "phone": (390, 844)}
PATIENCE_SECONDS = 1800
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--no-first-run", "--mute-audio"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--credentials", type=Path, default=ROOT / "var" / "credentials.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    if not options.credentials.exists():
        print(f"{options.credentials} is not there: start `manage.py up` first.", file=sys.stderr)
        return 1
    found = json.loads(options.credentials.read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    headers = {"Authorization": f"Bearer {found['token']}"}
    api = httpx.Client(base_url=f"{found['url']}/api/v1", headers=headers, timeout=120)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        camera = Camera(browser, found, options.out)
        photograph(api, camera, options.steps)
        browser.close()
    return 0


class Camera:
    """Signs in once a size and theme, and photographs addresses."""

    def __init__(self, browser: Browser, found: dict[str, str], out: Path) -> None:
        self._url, self._out = found["url"], out
        self._pages: dict[str, Page] = {}
        for size, (width, height) in SIZES.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if theme == "dark" else "light",
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.goto(f"{self._url}/accounts/login/")
                page.get_by_label("User name").fill(found["username"])
                page.get_by_label("Password").fill(found["password"])
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("navigation", name="Main").wait_for()
                self._pages[f"{size}-{theme}"] = page

    def shoot(
        self, name: str, address: str, *, before: Callable[[Page], None] | None = None
    ) -> None:
        for kind, page in self._pages.items():
            page.goto(self._url + address)
            page.wait_for_load_state("load")
            if before is not None:
                before(page)
            page.wait_for_timeout(800)  # curves and waveforms are drawn a moment later
            page.screenshot(path=str(self._out / f"{name}-{kind}.png"))
        print(f"{name}: {len(self._pages)} pictures")


def photograph(api: httpx.Client, camera: Camera, steps: int) -> None:
    dataset = make_dataset(api)
    camera.shoot("dataset", f"/datasets/{dataset}/")
    camera.shoot("review", f"/datasets/{dataset}/review/")
    camera.shoot("training", f"/trainings/new/?dataset={dataset}")
    params = {"max_steps": steps, "sample_every_steps": max(1, steps // 5)}
    body = {"dataset_id": dataset, "preset": "cpu", "name": NAME, "params": params}
    job = answer(api.post("/jobs", json=body))["id"]
    with waiting("the training's third round of sounds") as look:
        while look(lambda: full_rounds(api, job) < 3 and state(api, job) in ACTIVE):
            pass
    camera.shoot("job", f"/jobs/{job}/")
    camera.shoot("home", "/")
    camera.shoot("fleet", "/fleet/")
    with waiting("the voice") as look:
        while look(lambda: state(api, job) in ACTIVE):
            pass
    voice = answer(api.get(f"/jobs/{job}"))["voice_id"]
    if voice is None:
        raise SystemExit(f"The training did not succeed: {api.get(f'/jobs/{job}').text}")
    camera.shoot("voice", f"/voices/{voice}/", before=say_something)


ACTIVE = ("queued", "running")


def make_dataset(api: httpx.Client) -> str:
    """A checked dataset of the sample; one of an earlier run is used again."""
    for row in answer(api.get("/datasets"))["items"]:
        if row["name"] == NAME and row["state"] == "ready":
            return str(row["id"])
    made = answer(api.post("/datasets", json={"name": NAME, "language": "en-us"}))
    paths = [SAMPLE / "metadata.csv", *sorted((SAMPLE / "wavs").iterdir())]
    files = [("files", (path.name, path.read_bytes())) for path in paths]
    answer(api.post(f"/datasets/{made['id']}/files", files=files))
    job = answer(api.post(f"/datasets/{made['id']}/prepare"))["job_id"]
    with waiting("the check") as look:
        while look(lambda: state(api, job) in ACTIVE):
            pass
    return str(made["id"])


def say_something(page: Page) -> None:
    page.get_by_role("button", name="Say it").click()
    page.locator("[data-said]", has_text="Answered").wait_for(timeout=120_000)
    page.keyboard.press("Escape")


def state(api: httpx.Client, job: str) -> str:
    return str(answer(api.get(f"/jobs/{job}"))["state"])


def full_rounds(api: httpx.Client, job: str) -> int:
    """At how many steps every sentence can be heard."""
    items = answer(api.get(f"/jobs/{job}/samples"))["items"]
    spoken = Counter(row["step"] for row in items)
    return sum(count == max(spoken.values()) for count in spoken.values())


def answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise SystemExit(f"{response.request.url}: {response.text}")
    return response.json()


@contextmanager
def waiting(what: str) -> Iterator[Callable[[Callable[[], bool]], bool]]:
    """Looks once a second whether to go on waiting, with a deadline."""
    print(f"Waiting for {what}…")
    deadline = time.monotonic() + PATIENCE_SECONDS

    def look(check: Callable[[], bool]) -> bool:
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {PATIENCE_SECONDS} s for {what}.")
        time.sleep(1)
        return check()

    yield look


if __name__ == "__main__":
    raise SystemExit(main())
