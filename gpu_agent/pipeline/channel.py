"""The child's end of the pipe to the agent: JSON, one message a line.

    to the agent    {"op": "stage", "name"}
                    {"op": "progress", "fraction", "eta", "note"}
                    {"op": "metrics", "step", "values"}
                    {"op": "log", "level", "text"}
                    {"op": "fetch", "id", "names"}              answer: {name: path}
                    {"op": "keep", "id", "files": [{"path", "name", "role"}]}
                                                                answer: {"files": [...]}
                    {"op": "sample", "id", "path", "step", "index", "text", "seconds"}
                    {"op": "checkpoint", "id", "path", "step", "epoch", "scores"}
                    {"op": "result", "outcome": "succeeded", "type", "values"}
                    {"op": "result", "outcome": "failed" | "released", "code", "message"}
    from the agent  {"op": "reply", "id", "answer" | "released"}
                    {"op": "wish", "wish": "finish_now" | "checkpoint_now" | "release"}

The agent's other end is `runtime/job_calls.py`. When the pipe from the agent
ends, the agent has died and so does this process.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from gpu_agent.pipeline.context import InputFile, OutputFile, Released, StoredFile, Wish

Message = dict[str, Any]

AGENT_DIED = 70  # exit status; nobody is left to read it


class Channel:
    """Implements `Context`. Its calls may come from any thread."""

    def __init__(self, job: Mapping[str, Any], incoming: TextIO, outgoing: TextIO) -> None:
        self.work_dir = Path(job["work_dir"])
        self.cache_dir = Path(job["cache_dir"])
        self.device: str = job["device"]
        self.inputs = _files(job["inputs"])
        self.resume = _files(job["resume"])
        self.resume_step: int = job["resume_step"]
        self._outgoing = outgoing
        self._lock = threading.Lock()
        self._ids = count(1)
        self._waiting: dict[int, SimpleQueue[Message]] = {}
        self._wishes: list[Wish] = []
        self._released = threading.Event()
        threading.Thread(target=self._listen, args=(incoming,), daemon=True).start()

    # ---- Context ------------------------------------------------------------

    def stage(self, name: str) -> None:
        self._send(op="stage", name=name)

    def progress(self, fraction: float, eta_seconds: float | None = None, note: str = "") -> None:
        fraction = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0
        eta = eta_seconds if eta_seconds is not None and math.isfinite(eta_seconds) else None
        self._send(op="progress", fraction=fraction, eta=eta, note=note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """What is not a finite number has no place in a chart and is left out."""
        self._send(op="metrics", step=int(step), values=_finite(values))

    def log(self, text: str, level: str = "info") -> None:
        self._send(op="log", level=level, text=text)

    def fetch(self, names: Sequence[str]) -> dict[str, Path]:
        unknown = [name for name in names if name not in self.inputs and name not in self.resume]
        if unknown:
            raise KeyError(f"the job has no input {unknown[0]!r}")
        answer = self._call(op="fetch", names=list(names))
        return {name: Path(path) for name, path in answer.items()}

    def keep(self, files: Sequence[OutputFile]) -> list[StoredFile]:
        named = [
            {"path": str(file.path), "name": file.name or file.path.name, "role": file.role}
            for file in files
        ]
        answer = self._call(op="keep", files=named)
        return [StoredFile(**stored) for stored in answer["files"]]

    def sample(self, path: Path, *, step: int, index: int, text: str, seconds: float) -> None:
        self._call(
            op="sample", path=str(path), step=step, index=index, text=text, seconds=float(seconds)
        )

    def checkpoint(self, path: Path, *, step: int, epoch: int, scores: Mapping[str, float]) -> None:
        self._call(op="checkpoint", path=str(path), step=step, epoch=epoch, scores=_finite(scores))

    def wish(self) -> Wish | None:
        if self._released.is_set():
            return "release"
        with self._lock:
            return self._wishes.pop(0) if self._wishes else None

    # ---- the end --------------------------------------------------------------

    def succeed(self, type_name: str, values: Mapping[str, Any]) -> None:
        self._send(op="result", outcome="succeeded", type=type_name, values=dict(values))

    def fail(self, code: str, message: str) -> None:
        self._send(op="result", outcome="failed", code=code, message=message)

    def give_back(self, code: str, message: str) -> None:
        self._send(op="result", outcome="released", code=code, message=message)

    # ---- the pipe ---------------------------------------------------------------

    def _send(self, **message: Any) -> None:
        line = json.dumps(message, default=_number) + "\n"
        with self._lock:
            try:
                self._outgoing.write(line)
                self._outgoing.flush()
            except (OSError, ValueError):
                os._exit(AGENT_DIED)

    def _call(self, **message: Any) -> Message:
        """Blocks until the agent has done it. What it cannot do ends this process."""
        number = next(self._ids)
        answers: SimpleQueue[Message] = SimpleQueue()
        self._waiting[number] = answers
        self._send(id=number, **message)
        reply = answers.get()
        if reply.get("released"):
            raise Released
        answer: Message = reply["answer"]
        return answer

    def _listen(self, incoming: TextIO) -> None:
        """A thread of its own: wishes arrive while the stage computes."""
        for line in incoming:
            message = json.loads(line)
            if message["op"] == "reply":
                self._waiting.pop(message["id"]).put(message)
            elif message["wish"] == "release":
                self._released.set()
            else:
                with self._lock:
                    self._wishes.append(message["wish"])
        os._exit(AGENT_DIED)


def _files(described: Iterable[Mapping[str, Any]]) -> dict[str, InputFile]:
    return {
        file["name"]: InputFile(file["name"], file["size"], file["sha256"]) for file in described
    }


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: float(value) for name, value in values.items()}
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _number(value: Any) -> Any:
    """NumPy's and torch's scalars, which `json` does not know."""
    if callable(item := getattr(value, "item", None)):
        return item()
    raise TypeError(f"{type(value).__name__} is no JSON value")
