"""Waiting with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def assert_eventually(check: Callable[[], T], timeout: float = 10, every: float = 0.05) -> T:
    """Calls `check` until it returns something true and raises nothing; returns that.

    `timeout` and `every` in seconds. After the deadline the last answer or error is the failure's.
    """
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        try:
            result = check()
        except Exception:
            if late:
                raise
        else:
            if result:
                return result
            assert not late, f"still {result!r} after {timeout} s"
        time.sleep(every)
