"""Settings fail loudly, by name, and all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_agent.settings import GIB, SettingsError, load_settings

GOOD = {
    "SYRINX_GRPC_TARGET": "127.0.0.1:5000",
    "SYRINX_NATS_URL": "nats://agent:secret-word@127.0.0.1:4222",
    "SYRINX_AGENT_TOKEN": "token-word",
    "SYRINX_WORK_DIR": "/var/lib/syrinx",
    "SYRINX_DEVICES": "auto",
}


def problems(**changes: str | None) -> str:
    environment = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    return "\n".join(caught.value.problems)


def test_it_reads_a_complete_environment() -> None:
    settings = load_settings({**GOOD, "SYRINX_CACHE_GB": "1.5", "SYRINX_CPU_THREADS": "2"})
    assert settings.grpc_target.address == "dns:///127.0.0.1:5000"
    assert not settings.grpc_target.tls
    assert settings.devices is None
    assert settings.cache_bytes == int(1.5 * GIB)
    assert settings.cpu_threads == 2


def test_it_names_every_missing_variable_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    for name in GOOD:
        assert name in str(caught.value)


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    environment = {**GOOD, "SYRINX_AGENT_TOKEN_FILE": str(file)}
    del environment["SYRINX_AGENT_TOKEN"]
    assert load_settings(environment).token == "from-file"


def test_an_unreadable_secret_file_is_named() -> None:
    found = problems(SYRINX_AGENT_TOKEN=None, SYRINX_AGENT_TOKEN_FILE="/nowhere/token")
    assert "SYRINX_AGENT_TOKEN_FILE" in found and "/nowhere/token" in found
    assert "is not set" not in found


def test_both_forms_at_once_are_refused() -> None:
    assert "keep one" in problems(SYRINX_AGENT_TOKEN_FILE="/nowhere/token")


def test_plain_grpc_to_another_machine_is_refused_unless_asked_for() -> None:
    assert "unencrypted" in problems(SYRINX_GRPC_TARGET="portal.example:5000")
    asked = {**GOOD, "SYRINX_GRPC_TARGET": "portal.example:5000", "SYRINX_GRPC_INSECURE": "1"}
    assert not load_settings(asked).grpc_target.tls
    secure = load_settings({**GOOD, "SYRINX_GRPC_TARGET": "grpcs://portal.example:443"})
    assert secure.grpc_target.tls and secure.grpc_target.port == 443


@pytest.mark.parametrize("target", ["portal", "host:port", "http://h:1", "h:99999", "u@h:1", ":1"])
def test_a_malformed_target_is_refused(target: str) -> None:
    assert "SYRINX_GRPC_TARGET" in problems(SYRINX_GRPC_TARGET=target)


def test_ipv6_loopback_is_loopback() -> None:
    settings = load_settings({**GOOD, "SYRINX_GRPC_TARGET": "[::1]:5000"})
    assert settings.grpc_target.address == "dns:///[::1]:5000"


@pytest.mark.parametrize("url", ["127.0.0.1:4222", "http://h:1", "nats://", "nats://h:x"])
def test_a_malformed_nats_url_is_refused(url: str) -> None:
    assert "SYRINX_NATS_URL" in problems(SYRINX_NATS_URL=url)


@pytest.mark.parametrize("devices", ["gpu", "cuda", "cuda:0,", "cuda:0,cuda:0", "cuda:-1"])
def test_malformed_devices_are_refused(devices: str) -> None:
    assert "SYRINX_DEVICES" in problems(SYRINX_DEVICES=devices)


def test_devices_are_a_list() -> None:
    assert load_settings({**GOOD, "SYRINX_DEVICES": "cpu,cpu"}).devices == ("cpu", "cpu")
    assert load_settings({**GOOD, "SYRINX_DEVICES": "cuda:0, cuda:1"}).devices == (
        "cuda:0",
        "cuda:1",
    )


@pytest.mark.parametrize("value", ["-1", "many", "nan", "inf"])
def test_a_bad_number_is_refused(value: str) -> None:
    assert "SYRINX_CACHE_GB" in problems(SYRINX_CACHE_GB=value)


def test_secrets_are_not_printed() -> None:
    settings = load_settings(GOOD)
    assert "token-word" not in repr(settings) and "secret-word" not in repr(settings)
    assert "secret-word" not in problems(SYRINX_NATS_URL="http://agent:secret-word@h:1")
