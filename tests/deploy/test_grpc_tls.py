"""The certificate that the chart generates: the real gRPC server shows it, the agent trusts it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_chart import CHART, ROOT, render
from web.core.embedded.ports import Ports

pytestmark = pytest.mark.slow

# Ends with 0 once a connection stands, with 1 when none does within the time.
AGENT = """
import asyncio, sys
from gpu_agent.settings import GrpcTarget
from gpu_agent.transport.portal import open_channel

async def main():
    channel = open_channel(GrpcTarget(sys.argv[1], int(sys.argv[2]), tls=True))
    try:
        await asyncio.wait_for(channel.channel_ready(), float(sys.argv[3]))
    except TimeoutError:
        sys.exit(1)
    finally:
        await channel.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tls.crt, tls.key and ca.crt, as mounted into the pods."""
    folder = tmp_path_factory.mktemp("tls")
    names = ("--set", "grpc.tls.extraNames={localhost}")
    for manifest in render("--values", CHART / "ci" / "minimal-values.yaml", *names):
        if manifest["kind"] == "Secret" and manifest["type"] == "kubernetes.io/tls":
            for key in ("tls.crt", "tls.key", "ca.crt"):
                (folder / key).write_bytes(base64.b64decode(manifest["data"][key]))
    return folder


def agent_connects(port: int, authority: Path | None, host: str = "localhost") -> bool:
    environment = dict(os.environ)
    if authority:
        environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(authority)
    seconds = "20" if authority and host == "localhost" else "3"
    command = [sys.executable, "-c", AGENT, host, str(port), seconds]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True).returncode == 0


def test_an_agent_trusts_the_generated_certificate_and_no_other(certificate: Path) -> None:
    port = Ports(certificate / "ports.json").get("grpc")
    environment = os.environ | {
        "SYRINX_GRPC_LISTEN": f"127.0.0.1:{port}",
        "SYRINX_GRPC_TLS_CERT_FILE": str(certificate / "tls.crt"),
        "SYRINX_GRPC_TLS_KEY_FILE": str(certificate / "tls.key"),
    }
    command = [sys.executable, "manage.py", "serve_grpc"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert "gRPC for agents" in server.stdout.readline()
        assert agent_connects(port, certificate / "ca.crt")
        assert not agent_connects(port, None)
        # 127.0.0.1 is not a name in the certificate.
        assert not agent_connects(port, certificate / "ca.crt", host="127.0.0.1")
    finally:
        server.terminate()
        server.wait(20)
