"""How a job that went wrong is told to the portal: a code and a sentence to act on."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Sequence

from gpu_agent.transport.errors import PortalRefused, SourceCorrupt, SourceMissing, TransferFailed
from gpu_agent.transport.messages import Ending, Outcome

_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation"
    r"|DefaultCPUAllocator: .*allocate|std::bad_alloc|\bMemoryError\b|Cannot allocate memory"
)
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}

MEMORY_ADVICE = "Choose a smaller batch size, or leave out the longest clips, and start again."


def released(code: str, message: str) -> Ending:
    return Ending(Outcome.RELEASED, code, message)


def failed(code: str, message: str) -> Ending:
    return Ending(Outcome.FAILED, code, message)


def of_crash(status: int, stderr_tail: Sequence[str]) -> Ending:
    """A child that ended without a result. `status` is negative for a signal."""
    tail = "\n".join(stderr_tail[-15:])
    if status == -signal.SIGKILL:  # nobody here sent it
        return failed(
            "out_of_memory",
            "The host ran out of memory and its system stopped the job. " + MEMORY_ADVICE,
        )
    if _OUT_OF_MEMORY.search("\n".join(stderr_tail)):
        return failed("out_of_memory", "The job ran out of memory. " + MEMORY_ADVICE)
    how = f"exit status {status}"
    if status < 0:
        try:
            how = signal.Signals(-status).name
        except ValueError:
            how = f"signal {-status}"
    said = f"\n{tail}" if tail else " It said nothing."
    return failed(
        "trainer_crashed",
        f"The program that does the work ended unexpectedly ({how}). "
        f"The job's log tells more; its last lines:{said}",
    )


def of_error(error: Exception) -> Ending:
    """Of a file that could not be brought, stored, or written on this host."""
    if isinstance(error, SourceMissing):
        return failed("input_missing", f"{error}. Upload it again and start a new job.")
    if isinstance(error, SourceCorrupt):
        return failed("input_corrupt", f"{error}. Upload it again and start a new job.")
    if isinstance(error, TransferFailed):
        return released("transfer_failed", f"This host could not move files: {error}.")
    if isinstance(error, PortalRefused):
        return failed("portal_refused", f"The portal refused a step of this job: {error}.")
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return released("disk_full", f"This host's disk does not take more: {error}.")
    return failed(
        "internal",
        f"The agent met an error of its own ({type(error).__name__}: {error}). "
        "Start the job again; if it happens twice, tell an administrator.",
    )


def level_of(line: str) -> str:
    """The level of a line of stderr, which has none of its own."""
    if re.match(r"\s*(Traceback|ERROR|CRITICAL|FATAL)\b|\s*\w*(Error|Exception):", line):
        return "error"
    if re.match(r"\s*(WARNING|WARN)\b|.*\bWarning:", line):
        return "warning"
    return "info"
