"""A child process that speaks JSON lines: started under the guard, killed as a group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu_agent.runtime import guard

# The guard kills its child at once; if it doesn't, it is itself stopped or gone.
GUARD_SECONDS = 2.0
TAIL_LINES = 40
LINE_BYTES = 64 * 1024 * 1024  # a call may name thousands of files


class Child:
    """Call from the main thread only: the kernel ties the guard's life to its parent *thread*."""

    def __init__(
        self, process: asyncio.subprocess.Process, on_stderr: Callable[[str], None]
    ) -> None:
        self._process = process
        self._on_stderr = on_stderr
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        """The last lines of stderr."""
        self._stderr = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        on_stderr: Callable[[str], None],
    ) -> Child:
        """`command[0]` is an absolute path. The environment is all that the child gets."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "--"),
            *command,
            cwd=cwd,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal is for the agent alone
            limit=LINE_BYTES,
        )
        return cls(process, on_stderr)

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """Negative: the number of the signal that ended it."""
        return self._process.returncode

    async def send(self, message: Mapping[str, Any]) -> None:
        """Silently nothing when the child has gone: its end is told by `messages`."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            await self._process.stdin.drain()

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Until the child closes its stdout. A line that is no message is passed over."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict) and "op" in message:
                    yield message

    async def wait(self) -> int:
        """The exit status, once stderr has been read to its end."""
        status = await self._process.wait()
        # A grandchild that escaped its group could hold the pipe open.
        await asyncio.wait([self._stderr], timeout=1.0)
        return status

    async def kill(self) -> None:
        """Kill the child and all of its group, and wait until they are gone."""
        if self.is_running:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(asyncio.shield(self._process.wait()), GUARD_SECONDS)
            except TimeoutError:
                self._signal(signal.SIGKILL)
        await self.wait()
        self._stderr.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        async for line in _lines(self._process.stderr):
            self.tail.append(line)
            self._on_stderr(line)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length; of a progress bar, drawn over itself with \\r, the last state."""
    rest = b""
    while block := await stream.read(65536):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if text := _readable(line):
                yield text
        if len(rest) > 65536:
            rest = rest[-4096:]
    if text := _readable(rest):
        yield text


def _readable(line: bytes) -> str:
    return line.rstrip().rpartition(b"\r")[2].decode("utf-8", "replace").rstrip()
