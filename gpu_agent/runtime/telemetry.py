"""How busy the devices are, for the heartbeats."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from gpu_agent.runtime.devices import MIB, Slot, cpu_count, memory_used_bytes, query_gpus
from gpu_agent.transport.messages import Telemetry

PERIOD_SECONDS = 5.0


class TelemetryLoop:
    """Measures beside the heartbeats: a slow driver must not hold one up."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self.latest: tuple[Telemetry, ...] = ()

    async def run(self) -> None:
        while True:
            self.latest = await self.measure_once()
            await asyncio.sleep(PERIOD_SECONDS)

    async def measure_once(self) -> tuple[Telemetry, ...]:
        by_uuid: dict[str, list[float]] = {}
        if any(slot.cuda for slot in self._slots):
            for uuid, *readings in await query_gpus(
                ("uuid", "utilization.gpu", "memory.used", "temperature.gpu")
            ):
                by_uuid[uuid] = [_float(reading) for reading in readings]
        measured = []
        for slot in self._slots:
            if slot.cuda is None:
                measured.append(_cpu(slot.name))
            elif slot.cuda in by_uuid:
                busy, memory, degrees = by_uuid[slot.cuda]
                measured.append(Telemetry(slot.name, busy / 100, int(memory * MIB), degrees))
        return tuple(measured)


def _cpu(name: str) -> Telemetry:
    load = min(1.0, os.getloadavg()[0] / cpu_count())
    return Telemetry(name, load, memory_used_bytes(), 0.0)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
