"""Running loops beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def race(*loops: Coroutine[Any, Any, Any]) -> None:
    """Run all until the first ends, cancel the rest, and raise what the first raised.

    Not a TaskGroup: the caller wants the plain exception, not a group of it.
    """
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
