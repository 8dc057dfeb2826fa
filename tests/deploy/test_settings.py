"""The processes accept the settings that the chart gives them: the real readers read them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpu_agent.settings import load_settings
from scripts.check_chart import CHART, ROOT, render

pytestmark = pytest.mark.slow

SECRETS = {
    "secret-key": "p" + "0123456789abcdef" * 3,
    "database-url": "postgres://syrinx:secret@db.example.org:5432/syrinx",
    "nats-url": "nats://portal:secret@nats.example.org:4222",
    "nats-creds": "-----BEGIN NATS USER JWT-----",
    "s3-access-key": "key",
    "s3-secret-key": "secret",
    "token-0": "token",
    "tls.crt": "certificate",
    "tls.key": "key",
    "ca.crt": "certificate",
}
CASES = ["bundled-gpu", "external-urls", "external-secrets", "existing-secret"]


def environment(scenario: str, kind: str, part: str, folder: Path) -> dict[str, str]:
    """What a container of this part would see, its mounts replaced by a folder."""
    for manifest in render("--values", CHART / "ci" / f"{scenario}-values.yaml"):
        labels = manifest["metadata"]["labels"]
        if manifest["kind"] == kind and labels["app.kubernetes.io/component"] == part:
            variables = manifest["spec"]["template"]["spec"]["containers"][0]["env"]
            return {item["name"]: value(item, folder) for item in variables}
    raise AssertionError(f"{scenario} has no {kind} {part}")


def value(item: dict[str, Any], folder: Path) -> str:
    if "valueFrom" in item:
        return {"POD_INDEX": "0", "SYRINX_CPU_THREADS": "4", "POD_IP": "10.1.2.3"}[item["name"]]
    text = str(item["value"]).replace("$(POD_INDEX)", "0").replace("$(POD_IP)", "10.1.2.3")
    if text.startswith("/run/"):
        file = folder / Path(text).name
        file.write_text(SECRETS[file.name])
        return str(file)
    return text


@pytest.mark.parametrize("scenario", CASES)
def test_the_agent_accepts_its_settings(scenario: str, tmp_path: Path) -> None:
    settings = load_settings(environment(scenario, "StatefulSet", "agent", tmp_path))
    assert settings.token == "token"
    assert settings.grpc_target.tls is (scenario != "existing-secret")
    assert settings.grpc_target.host.startswith("voices-syrinx-grpc.speech.svc")
    assert settings.cpu_threads == 4
    assert settings.log == "json"


@pytest.mark.parametrize("part", ["web", "grpc", "relay"])
@pytest.mark.parametrize("scenario", CASES)
def test_the_portal_accepts_its_settings(scenario: str, part: str, tmp_path: Path) -> None:
    given = environment(scenario, "Deployment", part, tmp_path)
    code = (
        "from web.config import settings as s;"
        "print(s.DATABASES['default']['HOST'], s.SYRINX_PUBLIC_URL, s.SYRINX_LOG,"
        " bool(s.SYRINX_GRPC_TLS_CERT), '10.1.2.3' in s.ALLOWED_HOSTS)"
    )
    path = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "web.config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=path | given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    tls = part == "grpc" and scenario != "existing-secret"
    expected = f"db.example.org https://voices.example.org json {tls} {part == 'web'}"
    assert done.stdout.strip() == expected


def test_every_setting_of_the_chart_is_read_by_somebody() -> None:
    sources = [ROOT / "web/config/settings.py", ROOT / "gpu_agent/settings.py"]
    known = "\n".join(source.read_text() for source in sources)
    for template in CHART.glob("templates/**/*"):
        if template.is_file():
            for word in template.read_text().split():
                name = word.strip("{},:").removesuffix("_FILE")
                if name.startswith("SYRINX_") and name.isupper():
                    assert f'"{name}"' in known, f"{template.name}: nobody reads {name}"
