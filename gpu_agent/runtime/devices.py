"""What this host can compute with. Without torch: the parent process stays small."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from gpu_agent.transport.messages import DeviceInfo

log = structlog.get_logger(__name__)

MIB = 1024**2
QUERY_SECONDS = 20.0  # the driver may have to wake the GPUs first
# A trainer with a GPU needs threads to load data with, and no more.
THREADS_WITH_GPU = 8


class DeviceMissing(Exception):
    """SYRINX_DEVICES names a GPU that this host does not have."""


@dataclass(frozen=True)
class Slot:
    """One device, which runs one job at a time."""

    info: DeviceInfo
    cuda: str | None
    """The GPU's UUID, by which a child sees it as its only one; None on the CPU."""
    threads: int

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def device_in_child(self) -> str:
        return "cpu" if self.cuda is None else "cuda:0"


@dataclass(frozen=True)
class Gpu:
    uuid: str
    model: str
    memory_bytes: int
    compute_capability: str


async def query_gpus(fields: Sequence[str]) -> list[list[str]]:
    """One row a GPU from `nvidia-smi`; empty where there is none or no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:  # no memory or no file handle left: the jobs must go on
        log.warning("nvidia-smi can't be started", error=str(error))
        return []
    try:
        output, _ = await asyncio.wait_for(process.communicate(), QUERY_SECONDS)
    except TimeoutError:
        return []
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        return []
    rows = csv.reader(io.StringIO(output.decode("utf-8", "replace")), skipinitialspace=True)
    return [row for row in rows if len(row) == len(fields)]


async def find_gpus(environment: Mapping[str, str]) -> list[Gpu]:
    """In the order of CUDA_VISIBLE_DEVICES where that is set."""
    rows = await query_gpus(("uuid", "name", "memory.total", "compute_cap"))
    gpus = [Gpu(uuid, name, _number(memory) * MIB, cap) for uuid, name, memory, cap in rows]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    chosen = []
    for token in filter(None, (token.strip() for token in visible.split(","))):
        if token.isdecimal():
            found = gpus[int(token) : int(token) + 1]
        else:
            found = [gpu for gpu in gpus if gpu.uuid.startswith(token)]
        if not found:  # as CUDA does: what follows a wrong name is not seen
            break
        chosen += found
    return chosen


async def find_slots(
    wanted: tuple[str, ...] | None, cpu_threads: int | None, environment: Mapping[str, str]
) -> list[Slot]:
    """Raises `DeviceMissing`."""
    gpus = await find_gpus(environment)
    names = wanted or tuple(f"cuda:{i}" for i in range(len(gpus))) or ("cpu",)
    share = max(1, cpu_count() // len(names))
    slots = []
    for name in names:
        if name == "cpu":
            info = DeviceInfo("cpu", cpu_model(), memory_bytes())
            slots.append(Slot(info, None, cpu_threads or share))
            continue
        index = int(name.partition(":")[2])
        if index >= len(gpus):
            raise DeviceMissing(
                f"SYRINX_DEVICES names {name}, but nvidia-smi shows {len(gpus)} usable GPUs "
                "on this host; check the driver and CUDA_VISIBLE_DEVICES."
            )
        gpu = gpus[index]
        info = DeviceInfo(name, gpu.model, gpu.memory_bytes, gpu.compute_capability)
        slots.append(Slot(info, gpu.uuid, cpu_threads or min(THREADS_WITH_GPU, share)))
    return slots


def cpu_count() -> int:
    """Cores that this process may use, also in a container with a quota."""
    cores = len(os.sched_getaffinity(0))
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdecimal() and _number(period) > 0:
        cores = min(cores, max(1, int(quota) // _number(period)))
    return cores


def cpu_model() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "CPU"


def memory_bytes() -> int:
    """Of the host, or of the container when that has less."""
    total = _meminfo("MemTotal")
    limit = _number(_read("/sys/fs/cgroup/memory.max"))
    return min(total, limit) if limit else total


def memory_used_bytes() -> int:
    """Of the host, without what the kernel would give back at once."""
    return max(0, _meminfo("MemTotal") - _meminfo("MemAvailable"))


def _meminfo(field: str) -> int:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith(field + ":"):
            return _number(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> int:
    """0 for what is no number, such as `[N/A]` or `max`."""
    try:
        return int(float(text))
    except ValueError:
        return 0
