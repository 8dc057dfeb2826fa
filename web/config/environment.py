"""Reads settings from the environment; says every problem at once, by name.

Each variable may also be given as `NAME_FILE`, the path of a mounted secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


class BadEnvironment(Exception):
    """One or more settings are missing or wrong; the message lists all of them."""


class Environment:
    """A reader that collects problems, so that a person mends them in one go."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        return self.parsed(name, lambda raw: raw, default)

    def number(self, name: str, default: int) -> int:
        return self.parsed(name, int, default)

    def flag(self, name: str, default: bool) -> bool:
        return self.parsed(name, _flag, default)

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if parts.scheme not in schemes or not parts.hostname:
                raise ValueError(f"must be a URL starting with {' or '.join(schemes)}://")
            return raw.rstrip("/")

        return self.parsed(name, parse, default)

    def parsed(self, name: str, parse: Callable[[str], T], default: T | None = None) -> T:
        try:
            raw = self._read(name)
            if raw is None:
                if default is None:
                    raise ValueError("is not set")
                return default
            return parse(raw)
        except (ValueError, OSError) as error:
            self._problems.append(f"{name}: {error}")
            # Only seen until check() raises.
            return default if default is not None else parse_placeholder(parse)

    def check(self) -> None:
        if self._problems:
            raise BadEnvironment("Settings are missing or wrong:\n  " + "\n  ".join(self._problems))

    def _read(self, name: str) -> str | None:
        value = self._variables.get(name)
        path = self._variables.get(f"{name}_FILE")
        if value and path:
            raise ValueError(f"give either {name} or {name}_FILE, not both")
        if path:
            return Path(path).read_text(encoding="utf-8").strip()
        return value or None


def parse_placeholder(parse: Callable[[str], T]) -> T:
    return ""  # type: ignore[return-value]


def _flag(raw: str) -> bool:
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")
