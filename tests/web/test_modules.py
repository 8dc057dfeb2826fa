"""What the portal's processes load: Django, and no machine learning."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {"torch", "lightning", "pytorch_lightning", "piper", "onnxruntime", "onnx", "gpu_agent"}
# All that a process of the portal ever imports: its application, its pages and its command.
LOADED = """
import importlib, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "web.config.settings_for_tools"
import web.config.asgi, web.config.urls
importlib.import_module({module!r})
print(*{{name.partition(".")[0] for name in sys.modules}})
"""


@pytest.mark.parametrize(
    "module",
    [
        "web.config.asgi",
        "web.fleet.management.commands.serve_grpc",
        "web.fleet.management.commands.relay_outbox",
        "web.fleet.management.commands.bootstrap",
        "web.core.embedded.up",
    ],
)
def test_the_portal_loads_no_machine_learning(module: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    loaded = set(answer.stdout.split())
    assert "django" in loaded
    assert not loaded & FORBIDDEN
