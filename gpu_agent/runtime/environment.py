"""What a child process gets to see of the agent's environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gpu_agent

# A list of what may pass, not of what may not: a secret with a new name stays out.
NAMES = ("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "IMAGEIO_FFMPEG_EXE")
PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "CUBLAS_", "TORCH_", "PYTORCH_", "TRITON_", "NUMBA_")


def child_environment(
    environment: Mapping[str, str], *, home: Path, cuda: str | None, threads: int
) -> dict[str, str]:
    """`cuda`: what the child may use of the host's GPUs, as in CUDA_VISIBLE_DEVICES."""
    passed = {
        name: value
        for name, value in environment.items()
        if name in NAMES or name.startswith(PREFIXES)
    }
    # The folder that holds `gpu_agent`, so that a checkout works without being installed.
    package = Path(gpu_agent.__file__).parent.parent
    return passed | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home),
        "PYTHONPATH": str(package),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "CUDA_VISIBLE_DEVICES": cuda or "",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
