"""What the agent finds to compute with, without torch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_agent.runtime.devices import DeviceMissing, Slot, find_slots
from gpu_agent.runtime.telemetry import TelemetryLoop

ROWS = {
    "uuid,name,memory.total,compute_cap": (
        "GPU-aa, NVIDIA H200, 143771, 9.0",
        "GPU-bb, L4, 23034, 8.9",
    ),
    "uuid,utilization.gpu,memory.used,temperature.gpu": (
        "GPU-aa, 87, 1024, 61",
        "GPU-bb, [N/A], 0, 40",
    ),
}


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in nvidia-smi's place, as this machine may have none."""
    program = tmp_path / "nvidia-smi"
    cases = "".join(
        f"--query-gpu={fields}) printf '%s\\n' '{first}' '{second}';;\n"
        for fields, (first, second) in ROWS.items()
    )
    program.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


Find = Callable[..., list[Slot]]


def find(wanted: tuple[str, ...] | None = None, **environment: str) -> list[Slot]:
    return asyncio.run(find_slots(wanted, None, environment))


@pytest.mark.usefixtures("two_gpus")
def test_each_gpu_is_a_device() -> None:
    first, second = find()
    assert (first.info.name, first.info.model, first.cuda) == ("cuda:0", "NVIDIA H200", "GPU-aa")
    assert first.info.memory_bytes == 143771 * 1024**2
    assert second.info.compute_capability == "8.9"
    assert second.device_in_child == "cuda:0", "a child sees its own GPU only"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("visible", "uuids"), [("1", ["GPU-bb"]), ("GPU-a,7,1", ["GPU-aa"])])
def test_cuda_visible_devices_is_honoured(visible: str, uuids: list[str]) -> None:
    assert [slot.cuda for slot in find(CUDA_VISIBLE_DEVICES=visible)] == uuids


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceMissing, match="cuda:2"):
        find(("cuda:2",))


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_cpu_is_the_device() -> None:
    [slot] = find()
    assert (slot.name, slot.cuda, slot.device_in_child) == ("cpu", None, "cpu")
    assert slot.info.memory_bytes > 2**28
    assert slot.threads >= 1


@pytest.mark.usefixtures("no_gpu")
def test_several_slots_share_the_cores() -> None:
    [alone] = find(("cpu",))
    halves = find(("cpu", "cpu"))
    assert [slot.threads for slot in halves] == [max(1, alone.threads // 2)] * 2


@pytest.mark.usefixtures("two_gpus")
def test_telemetry_is_of_each_device() -> None:
    readings = asyncio.run(TelemetryLoop(find(("cuda:0", "cuda:1", "cpu"))).measure_once())
    first, second, cpu = readings
    assert (first.utilisation, first.memory_used_bytes, first.temperature_celsius) == (
        0.87,
        1024 * 1024**2,
        61.0,
    )
    assert second.utilisation == 0.0, "not every GPU tells"
    assert 0.0 <= cpu.utilisation <= 1.0
    assert cpu.memory_used_bytes > 0


@pytest.mark.usefixtures("two_gpus")
def test_telemetry_outlives_a_program_that_can_not_be_started(tmp_path: Path) -> None:
    slots = find()
    (tmp_path / "nvidia-smi").write_text("#!/no/such/shell\n")
    assert asyncio.run(TelemetryLoop(slots).measure_once()) == ()
