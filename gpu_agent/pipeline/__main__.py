"""`python -m gpu_agent.pipeline JOB_DIR`: runs one job's stages in a process of its own.

Started by `runtime/job_runner.py`, with `JOB_DIR/job.json` as its instructions
and the agent at the other end of stdin and stdout.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import sys
import traceback
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpu_agent.pipeline import specs
from gpu_agent.pipeline.channel import Channel
from gpu_agent.pipeline.context import JobFailed, Released

SPECS: dict[str, type[specs.Spec]] = {
    "prepare": specs.PrepareSpec,
    "train": specs.TrainSpec,
    "export": specs.ExportSpec,
    "import_base": specs.ImportBaseSpec,
}
RESULTS: dict[type[specs.Result], str] = {
    specs.PrepareResult: "prepare",
    specs.VoiceResult: "voice",
    specs.ImportBaseResult: "import_base",
}
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
MEMORY_WORDS = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "bad_alloc")


def main() -> None:
    job = json.loads((Path(sys.argv[1]) / "job.json").read_text(encoding="utf-8"))
    outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print, and their native code too, goes to the log
    # A copy of stdin for the channel alone: loaders forked from here must not read from it.
    incoming = os.fdopen(os.dup(0), "r", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    run(job, Channel(job, incoming, outgoing))
    sys.stderr.flush()
    # Not by way of the interpreter's end: a library's thread could hold that up.
    os._exit(0)


def run(job: Mapping[str, Any], channel: Channel) -> None:
    """Do the work and tell the agent how it ended, whatever happens."""
    try:
        from gpu_agent.pipeline import recipes  # imports the engines, and so takes seconds

        spec = from_dict(SPECS[job["kind"]], job["spec"])
        result = recipes.run(job["kind"], spec, channel)
        channel.succeed(RESULTS[type(result)], dataclasses.asdict(result))
    except Released:
        channel.give_back("host_stopping", "The host is shutting down; the job is in the queue.")
    except JobFailed as failure:
        channel.fail(failure.code, failure.message)
    except Exception as error:
        traceback.print_exc()
        tell(channel, error)


def tell(channel: Channel, error: Exception) -> None:
    """What no stage foresaw."""
    if is_out_of_memory(error):
        channel.fail(
            "out_of_memory",
            "The job needs more memory than the device has. Choose a smaller batch size, "
            "or leave out the longest clips, and start again.",
        )
    elif isinstance(error, OSError) and error.errno in DISK_FULL:
        channel.give_back("disk_full", f"The host's disk is full ({error}).")
    else:
        channel.fail(
            "internal",
            f"The job met an error that it has no answer to ({type(error).__name__}: {error}). "
            "Its log tells where; start it again, and if it happens twice, tell an administrator.",
        )


def is_out_of_memory(error: Exception) -> bool:
    """Python's, the CPU allocator's and CUDA's; torch may not even be loaded."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in MEMORY_WORDS)


def from_dict(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """A dataclass of `specs` from plain values; lists become tuples, nested ones follow.

    Raises `TypeError` for a field that the dataclass does not have.
    """
    hints = typing.get_type_hints(kind)
    made = {}
    for name, value in values.items():
        hint = hints.get(name)
        if dataclasses.is_dataclass(hint):
            made[name] = from_dict(typing.cast(type[Any], hint), value)
        else:
            made[name] = tuple(value) if isinstance(value, list) else value
    return kind(**made)


if __name__ == "__main__":
    main()
