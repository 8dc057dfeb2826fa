"""The agent's settings, read once from the environment.

Each variable may be given as `NAME_FILE` instead: the path of a mounted secret
whose text is the value. Everything that is wrong is told in one message.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

GIB = 1024**3
DEFAULT_CACHE_GB = 20.0

LogFormat = Literal["console", "json"]


class SettingsError(Exception):
    """One sentence a problem, each naming its variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The agent's settings are not usable:\n  " + "\n  ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class GrpcTarget:
    host: str
    port: int
    tls: bool

    @property
    def address(self) -> str:
        """`dns:///` lets a headless service spread agents over portal pods."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dns:///{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


@dataclass(frozen=True)
class Settings:
    grpc_target: GrpcTarget
    nats_url: str = field(repr=False)
    token: str = field(repr=False)
    work_dir: Path
    devices: tuple[str, ...] | None = None
    """None: every GPU of this host, or its CPU when it has none."""
    nats_creds: str | None = field(default=None, repr=False)
    """Text of a NATS credentials file."""
    cache_bytes: int = int(DEFAULT_CACHE_GB * GIB)
    cpu_threads: int | None = None
    """Threads of one job; None: this host's cores shared by its devices."""
    log: LogFormat = "console"


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Raises `SettingsError`, which names every variable that is missing or wrong."""
    read = _Reader(environment)
    target = _grpc_target(read)
    nats_url = _nats_url(read)
    token = read.required("SYRINX_AGENT_TOKEN", "the token shown when the agent was added")
    work_dir = read.required("SYRINX_WORK_DIR", "a folder for this agent's files")
    devices = _devices(read)
    cache_gb = read.number("SYRINX_CACHE_GB", DEFAULT_CACHE_GB, minimum=0.0)
    threads = read.number("SYRINX_CPU_THREADS", 0, minimum=0)
    log = read.optional("SYRINX_LOG") or "console"
    if log not in ("console", "json"):
        read.problems.append(f"SYRINX_LOG is {log!r}; use console or json.")
    if read.problems or target is None:
        raise SettingsError(read.problems)
    return Settings(
        grpc_target=target,
        nats_url=nats_url,
        nats_creds=read.optional("SYRINX_NATS_CREDS"),
        token=token,
        work_dir=Path(work_dir).absolute(),
        devices=devices,
        cache_bytes=int(cache_gb * GIB),
        cpu_threads=int(threads) or None,
        log=cast(LogFormat, log),
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._values: dict[str, str | None] = {}
        self.problems: list[str] = []

    def optional(self, name: str) -> str | None:
        if name not in self._values:
            self._values[name] = self._read(name)
        return self._values[name]

    def required(self, name: str, meaning: str) -> str:
        before = len(self.problems)
        value = self.optional(name)
        if value is None and len(self.problems) == before:
            self.problems.append(f"{name} is not set; it is {meaning} (or use {name}_FILE).")
        return value or ""

    def number(self, name: str, default: float, *, minimum: float) -> float:
        value = self.optional(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not minimum <= number < 1e9:
            self.problems.append(f"{name} is {value!r}; it has to be a number from {minimum:g}.")
            return default
        return number

    def _read(self, name: str) -> str | None:
        plain = self._environment.get(name, "").strip()
        path = self._environment.get(f"{name}_FILE", "").strip()
        if plain and path:
            self.problems.append(f"{name} and {name}_FILE are both set; keep one.")
        if not path or plain:
            return plain or None
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}_FILE names {path}, which cannot be read: {error}.")
            return None
        if not text:
            self.problems.append(f"{name}_FILE names {path}, which is empty.")
        return text or None


def _grpc_target(read: _Reader) -> GrpcTarget | None:
    name = "SYRINX_GRPC_TARGET"
    before = len(read.problems)
    value = read.required(name, "host:port of the portal's gRPC server, grpcs://host:port for TLS")
    if len(read.problems) > before:
        return None
    tls = value.startswith("grpcs://")
    try:
        parts = urlsplit("//" + value.removeprefix("grpcs://"))
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, None
    if parts is None or not host or not port or parts.path or parts.username or "://" in parts.path:
        read.problems.append(f"{name} is {value!r}; write host:port or grpcs://host:port.")
        return None
    target = GrpcTarget(host, port, tls)
    insecure = read.optional("SYRINX_GRPC_INSECURE") == "1"
    if not tls and not target.is_loopback and not insecure:
        read.problems.append(
            f"{name} is {value!r}, which would send the token unencrypted to another machine; "
            "use grpcs://, or set SYRINX_GRPC_INSECURE=1 if something else encrypts the way."
        )
        return None
    return target


def _nats_url(read: _Reader) -> str:
    name = "SYRINX_NATS_URL"
    value = read.required(name, "nats://host:port or tls://host:port, several with commas")
    for url in value.split(",") if value else ():
        try:
            parts = urlsplit(url.strip())
            usable = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            # The value may hold a password, so it isn't repeated.
            read.problems.append(f"{name} is not of the form nats://host:port or tls://host:port.")
            break
    return value


def _devices(read: _Reader) -> tuple[str, ...] | None:
    value = read.required("SYRINX_DEVICES", "auto, cpu, or a list such as cuda:0,cuda:1")
    if value in ("auto", ""):
        return None
    names = tuple(name.strip() for name in value.split(","))
    gpus = [name for name in names if name != "cpu"]
    if not all(re.fullmatch(r"cpu|cuda:\d{1,3}", name) for name in names):
        read.problems.append(
            f"SYRINX_DEVICES is {value!r}; write auto, cpu, or a list such as cuda:0,cuda:1."
        )
    elif len(set(gpus)) != len(gpus):
        read.problems.append(f"SYRINX_DEVICES is {value!r}; it names a GPU twice.")
    return names
