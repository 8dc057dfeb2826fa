"""`python -m gpu_agent` as it is, but for the program that its jobs run."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from gpu_agent import __main__ as entry
from gpu_agent.runtime.agent import Agent

CHILD = Path(__file__).with_name("child_script.py")

if __name__ == "__main__":
    command = (sys.executable, "-P", str(CHILD))
    entry.Agent = functools.partial(Agent, job_command=command)  # type: ignore[misc,assignment]
    entry.main()
