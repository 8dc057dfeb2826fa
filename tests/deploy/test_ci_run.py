"""`.ci/run` is what CI calls; it has to be runnable and to leave nothing out."""

from __future__ import annotations

import os
import re
import subprocess

from scripts.check_chart import ROOT

SCRIPT = ROOT / ".ci" / "run"


def test_it_is_executable_and_stops_at_the_first_failure() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert "set -euo pipefail" in SCRIPT.read_text()
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_it_runs_everything_and_the_tests_last() -> None:
    called = re.findall(r"^make (.+)$", SCRIPT.read_text(), flags=re.MULTILINE)
    targets = " ".join(called).split()
    assert set(targets) >= {"lint", "types", "chart", "test"}
    assert targets[-1] == "test"
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(targets) <= set(known)
