"""The last step of the migrations Job, against real object storage."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import ModuleType

from django.core.management import call_command
from django.test import override_settings

from scripts.check_chart import ROOT


def run() -> str:
    said = io.StringIO()
    call_command("ensure_bucket", stdout=said)
    return said.getvalue()


def test_it_makes_a_missing_bucket_once(s3: ModuleType) -> None:
    with override_settings(SYRINX_S3_BUCKET="made-by-a-test"):
        assert run() == "Made bucket made-by-a-test.\n"
        assert run() == "Bucket made-by-a-test is there.\n"
        s3.put("a", io.BytesIO(b"1"), 1)
        s3.delete(["a"])
        s3.client().remove_bucket("made-by-a-test")


def test_it_says_when_the_store_does_not_answer() -> None:
    environment = os.environ | {"SYRINX_S3_ENDPOINT": "http://127.0.0.1:1"}
    command = [sys.executable, "manage.py", "ensure_bucket"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "The object store at http://127.0.0.1:1 does not answer" in done.stderr
