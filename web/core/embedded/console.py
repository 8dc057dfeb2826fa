"""What a person sees: lines of the supervisor, and lines of its children with their name."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from pathlib import Path
from typing import Literal, TextIO

# Which lines of a child are shown: all, those that match a pattern, or `secret`: none, and the
# log file, which gets all of the others, doesn't get them either.
Lines = Literal["all", "secret"] | re.Pattern[str]

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
NAME_WIDTH = 8
# A child's log is begun anew at a start when it has grown beyond this many bytes.
LOG_BYTES = 10 * 2**20


class Console:
    """Lines of children also go to `<logs>/<name>.log`, all of them."""

    def __init__(
        self, logs: Path | None = None, out: TextIO | None = sys.stdout, *, verbose: bool = False
    ) -> None:
        """`out` of None: log files only."""
        self._logs = logs
        self._out = out
        self._verbose = verbose
        self._colour = out is not None and out.isatty()
        self._names: list[str] = []
        self._files: dict[str, TextIO] = {}
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        with self._lock:
            self._print("syrinx", line, "1")

    def child_line(self, name: str, line: str, which: Lines) -> None:
        if which == "secret":
            return
        with self._lock:
            if name not in self._names:
                self._names.append(name)
            if self._logs is not None:
                # A full disk must not stop the reading, or the child would wait for us.
                with contextlib.suppress(OSError):
                    self._log_file(name, self._logs).write(line + "\n")
            if self._verbose or which == "all" or which.search(line):
                colour = COLOURS[self._names.index(name) % len(COLOURS)]
                self._print(name, line, str(colour))

    def _print(self, name: str, line: str, colour: str) -> None:
        if self._out is None:
            return
        prefix = f"{name:<{NAME_WIDTH}} |"
        if self._colour:
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        # Nobody reads any more (`manage.py up | head`, a closed terminal): go on serving.
        with contextlib.suppress(OSError, ValueError):
            print(prefix, line, file=self._out, flush=True)

    def _log_file(self, name: str, logs: Path) -> TextIO:
        if name not in self._files:
            logs.mkdir(parents=True, exist_ok=True)
            path = logs / f"{name.replace(' ', '-')}.log"
            fresh = path.exists() and path.stat().st_size > LOG_BYTES
            self._files[name] = path.open("w" if fresh else "a", encoding="utf-8", buffering=1)
        return self._files[name]
