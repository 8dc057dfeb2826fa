"""What the agent's parent process loads, proven by the modules that it has loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, pkgutil, sys
import gpu_agent
for name in sys.argv[1].split():
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), name + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def loaded_by(*packages: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, " ".join(packages)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_parent_process_stays_small() -> None:
    loaded = loaded_by("gpu_agent.__main__", "gpu_agent.runtime", "gpu_agent.transport")
    assert "grpc" in loaded
    assert loaded.isdisjoint({"torch", "lightning", "onnxruntime", "onnx", "piper", "numpy"})
    assert loaded.isdisjoint({"django", "web"})


@pytest.mark.slow
def test_no_part_of_the_agent_loads_django() -> None:
    loaded = loaded_by("gpu_agent")
    assert "torch" in loaded
    assert loaded.isdisjoint({"django", "web"})
