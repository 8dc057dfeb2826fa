from __future__ import annotations

import socket
from pathlib import Path

from web.core.embedded.ports import GRPC_OFFSET, Ports, is_free


def test_a_restart_finds_the_same_ports(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = [Ports(file).get(name) for name in ("postgres", "nats", "web")]
    again = Ports(file)
    assert [again.get(name) for name in ("postgres", "nats", "web")] == first


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    port = Ports(file).get("nats")
    with socket.create_server(("127.0.0.1", port)):
        other = Ports(file).get("nats")
    assert other != port
    assert Ports(file).get("nats") == other


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    assert len({ports.get(f"server-{number}") for number in range(50)}) == 50


def test_the_grpc_port_beside_it_is_free_too(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    port = Ports(file).get("s3", with_grpc=True)
    with socket.create_server(("127.0.0.1", port + GRPC_OFFSET)):
        assert is_free("127.0.0.1", port)
        assert Ports(file).get("s3", with_grpc=True) != port
