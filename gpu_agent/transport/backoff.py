"""Waiting longer after each failure, at random so that a fleet doesn't return in step."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """Seconds: `first`, doubling up to `most`, each between a half and the whole of it."""

    def __init__(self, first: float = 0.5, most: float = 10.0) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_delay(self) -> float:
        limit = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return limit * random.uniform(0.5, 1.0)

    async def wait(self) -> None:
        await asyncio.sleep(self.next_delay())
