"""What templates need to speak plainly: icons, times, sizes and durations in words."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Literal

import lucide
from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from web.core.words import in_words

register = template.Library()


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """A Lucide icon as inline SVG, for decoration: a word must stand beside it."""
    svg = lucide._render_icon(
        name, None, **{"class": f"icon {extra}".strip(), "aria-hidden": "true"}
    )
    return mark_safe(svg)  # noqa: S308 - from the installed package, and a name of ours


@register.simple_tag
def ago(moment: datetime | None, none: str = "never") -> str:
    """A relative time; the exact one on hover. `times.js` keeps it true in the viewer's zone."""
    if moment is None:
        return none
    return format_html(
        '<time datetime="{}" title="{} UTC" data-ago>{}</time>',
        moment.isoformat(),
        moment.strftime("%d %B %Y, %H:%M:%S"),
        naturaltime(moment).replace("\xa0", " "),
    )


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: `40 seconds`, `12 minutes`, `2 h 05 min`."""
    if seconds is None:
        return "—"
    if seconds < 10:
        return f"{seconds:.1f} seconds"
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} minutes"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / 1440:.0f} days"


@register.filter
def clock(seconds: float | None) -> str:
    """Seconds in a column: `4.2 s`, `3:07`, `2:05:11`."""
    if seconds is None:
        return "—"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def in_bytes(size: float | None) -> str:
    """Bytes as people say them; nothing is none."""
    return in_words(size or 0)


@register.filter
def percent(fraction: float | None) -> str:
    return f"{100 * (fraction or 0):.0f} %"


@register.filter
def number(value: float | Literal[""] | None) -> str:
    """Four digits that matter, with narrow spaces between thousands.

    A key that is missing, such as a score not measured yet, comes from a template as "".
    """
    if value is None or value == "":
        return "—"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.4g}"


@register.filter
def item(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key)


@register.simple_tag
def play(url: str, title: str, extra: str = "") -> SafeString:
    """A button for the one player of the page."""
    return mark_safe(  # noqa: S308 - rendered from a template, which escapes
        render_to_string("parts/play.html", {"url": url, "title": title, "extra": extra})
    )


PILLS = {
    # jobs
    "queued": ("", "clock", "Waiting"),
    "running": ("accent", "activity", "Running"),
    "succeeded": ("good", "check", "Done"),
    "cancelled": ("", "ban", "Cancelled"),
    # datasets and base voices
    "draft": ("warn", "circle-dashed", "Not checked yet"),
    "preparing": ("accent", "activity", "Being checked"),
    "importing": ("accent", "activity", "Being imported"),
    "ready": ("good", "check", "Ready"),
    "failed": ("bad", "circle-alert", "Failed"),
    # utterances
    "new": ("", "circle-dashed", "Not checked"),
    "ok": ("good", "check", "Good"),
    "fixed": ("good", "wrench", "Mended"),
    "look": ("warn", "eye", "Needs a look"),
    "rejected": ("bad", "x", "Not usable"),
}


@register.simple_tag
def pill(state: str, word: str = "") -> str:
    """A state as an icon and a word."""
    colour, name, words = PILLS.get(state, ("", "circle", state))
    return format_html('<span class="pill {}">{}{}</span>', colour, icon(name), word or words)


@register.filter
def minutes(amount: float | None) -> str:
    """Minutes as people say them."""
    return duration(None if amount is None else amount * 60)


@register.filter
def faster(real_time_factor: float) -> str:
    """How many times faster than speech; the factor is seconds of work a second of sound."""
    return f"{1 / real_time_factor:.0f} times" if real_time_factor else ""
