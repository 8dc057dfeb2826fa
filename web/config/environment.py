"""Reads settings from the environment; says every problem at once, by name.

Each variable may also be given as `NAME_FILE`, the path of a mounted secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

T = TypeVar("T")
SECRET_KEY_LENGTH = 32


class BadEnvironment(Exception):
    """One or more settings are missing or wrong; the message lists all of them."""


class _Fault(ValueError):
    """A problem, and the variable that a person has to change."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(problem)
        self.variable = variable


class Environment:
    """A reader that collects problems, so that a person mends them in one go.

    After a problem a reader returns the default or an empty value: `check` raises before
    anything uses it.
    """

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        return self._parsed(name, lambda raw: raw, default, "")

    def secret_key(self, name: str) -> str:
        def parse(raw: str) -> str:
            if len(raw) < SECRET_KEY_LENGTH:
                raise ValueError(
                    f"must have at least {SECRET_KEY_LENGTH} random characters, such as from "
                    "`openssl rand -base64 48`"
                )
            return raw

        return self._parsed(name, parse, None, "")

    def number(self, name: str, default: int) -> int:
        def parse(raw: str) -> int:
            if not raw.isascii() or not raw.isdigit():
                raise ValueError("must be a whole number")
            return int(raw)

        return self._parsed(name, parse, default, 0)

    def flag(self, name: str, default: bool) -> bool:
        return self._parsed(name, _flag, default, False)

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        def parse(raw: str) -> str:
            if raw not in choices:
                raise ValueError(f"must be one of {', '.join(choices)}")
            return raw

        return self._parsed(name, parse, default, "")

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        """Without a slash at its end. A problem never repeats it: it may hold a password."""

        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if parts.scheme not in schemes:
                raise ValueError(
                    f"must be a URL starting with {' or '.join(f'{s}://' for s in schemes)}"
                )
            try:
                bad = not parts.hostname or parts.port == 0 or not raw.isprintable() or " " in raw
            except ValueError:
                bad = True
            if bad:
                raise ValueError("must be a URL with a host, and a port below 65536 if any")
            return raw.rstrip("/")

        return self._parsed(name, parse, default, f"{schemes[0]}://unset")

    def check(self) -> None:
        if self._problems:
            raise BadEnvironment("Settings are missing or wrong:\n  " + "\n  ".join(self._problems))

    def _parsed(self, name: str, parse: Callable[[str], T], default: T | None, empty: T) -> T:
        try:
            raw = self._read(name)
            if raw is None and default is None:
                raise ValueError("is not set")
            return parse(raw) if raw is not None else cast(T, default)
        except ValueError as error:
            variable = error.variable if isinstance(error, _Fault) else name
            self._problems.append(f"{variable}: {error}")
            return default if default is not None else empty

    def _read(self, name: str) -> str | None:
        value, path = self._variables.get(name), self._variables.get(f"{name}_FILE")
        if value and path:
            raise ValueError(f"is set, and so is {name}_FILE; give one of the two")
        if not path:
            return value or None
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise _Fault(f"{name}_FILE", f"{path} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise _Fault(f"{name}_FILE", f"{path} is not a text file") from None
        if not value:
            raise _Fault(f"{name}_FILE", f"{path} is empty")
        return value


def _flag(raw: str) -> bool:
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")
