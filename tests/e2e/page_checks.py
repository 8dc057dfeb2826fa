"""Checks of one page in the browser: names, landmarks, width, contrast."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

CHECKS = Path(__file__).with_suffix(".js").read_text()


def faults(page: Page) -> list[str]:
    """What is wrong with the page as it stands, in words."""
    found: list[str] = page.evaluate(CHECKS)
    return found
