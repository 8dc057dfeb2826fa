"""What crosses the wire, in plain types. Protobuf stops at `wire.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class JobKey:
    """A job and the attempt that this agent holds."""

    job_id: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.job_id}:{self.attempt}"


@dataclass(frozen=True)
class DeviceInfo:
    name: str
    """`cpu` or `cuda:0`."""
    model: str
    memory_bytes: int
    compute_capability: str = ""


@dataclass(frozen=True)
class HostInfo:
    host: str
    devices: tuple[DeviceInfo, ...]
    versions: dict[str, str]
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class Registration:
    agent_id: str
    agent_name: str
    heartbeat_seconds: float
    lease_seconds: float
    stream: str
    consumer: str
    speak_subject: str


@dataclass(frozen=True)
class RemoteFile:
    name: str
    size: int
    """Bytes."""
    sha256: str
    """Hex; empty when unknown."""


@dataclass(frozen=True)
class ClaimedJob:
    key: JobKey
    kind: str
    spec: dict[str, Any]
    """Fields of the kind's spec message, as plain values."""
    inputs: tuple[RemoteFile, ...]
    resume: tuple[RemoteFile, ...]
    resume_step: int
    lease_seconds: float


class ClaimAnswer(Enum):
    GONE = "gone"
    WAIT = "wait"


@dataclass(frozen=True)
class Telemetry:
    device: str
    utilisation: float
    """0..1."""
    memory_used_bytes: int
    temperature_celsius: float


@dataclass(frozen=True)
class Beat:
    """What a heartbeat says."""

    held: tuple[JobKey, ...]
    draining: bool
    telemetry: tuple[Telemetry, ...] = ()


@dataclass(frozen=True)
class StoredObject:
    """An output that lies in object storage."""

    name: str
    sha256: str
    size: int
    role: str


class Command(Enum):
    CANCEL = "cancel"
    FINISH_NOW = "finish_now"
    CHECKPOINT_NOW = "checkpoint_now"
    DRAIN = "drain"
    FENCED = "fenced"
    HEARTBEAT_OK = "heartbeat_ok"


@dataclass(frozen=True)
class UploadTicket:
    """Where an output may be put: one PUT, or parts and a call that joins them."""

    name: str
    url: str = ""
    part_size: int = 0
    part_urls: tuple[str, ...] = ()
    complete_url: str = ""


class Outcome(Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, as told to the portal by `Finish`."""

    outcome: Outcome
    error_code: str = ""
    error_message: str = ""
    manifest: tuple[StoredObject, ...] = ()
    result_kind: str = ""
    """`prepare`, `voice` or `import_base`."""
    result: dict[str, Any] = field(default_factory=dict)
