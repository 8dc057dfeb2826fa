"""Serve `AgentService` until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import grpc
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from syrinx.agent.v1 import agent_pb2_grpc
from web.fleet.grpc_service import AgentService

GRACE_SECONDS = 3
OPTIONS = [
    # The largest claim lists 10,000 inputs; 4 MB, the default, would not hold it.
    ("grpc.max_receive_message_length", 32 * 2**20),
    ("grpc.max_send_message_length", 32 * 2**20),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
]


class Command(BaseCommand):
    help = "Serves the agents' gRPC door on SYRINX_GRPC_LISTEN."
    # They import every page and API: a quarter of this command's start.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(serve(settings.SYRINX_GRPC_LISTEN))


async def serve(address: str) -> None:
    server = grpc.aio.server(options=OPTIONS)
    agent_pb2_grpc.add_AgentServiceServicer_to_server(AgentService(), server)
    if not listen(server, address):
        raise CommandError(f"SYRINX_GRPC_LISTEN: can't listen on {address}; is it in use?")
    await server.start()
    print(f"gRPC for agents on {address}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(GRACE_SECONDS)


def listen(server: grpc.aio.Server, address: str) -> int:
    """Bind, with TLS where a certificate (PEM text) is set. Returns the port, 0 when it can't."""
    certificate, key = settings.SYRINX_GRPC_TLS_CERT, settings.SYRINX_GRPC_TLS_KEY
    try:
        if not certificate:
            return server.add_insecure_port(address)
        pair = (key.encode(), certificate.encode())
        return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError:
        return 0
