"""From mixed recordings, some of them bad, to a bundle that the Piper runtime plays."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.integration.portal import Portal
from tests.stack import Stack

pytestmark = pytest.mark.slow
SHORT = {"max_steps": 2, "warmup_steps": 1, "batch_size": 2, "segment_size": 2048}


def bad_files(folder: Path) -> list[Path]:
    """What people upload by mistake."""
    silence = folder / "silent.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(bytes(2 * 22050 * 3))
    truncated = folder / "truncated.mp3"
    truncated.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb")
    text = folder / "text.wav"
    text.write_text("This is no recording.")
    empty = folder / "empty.wav"
    empty.write_bytes(b"")
    untold = folder / "untold.wav"
    untold.write_bytes(silence.read_bytes())
    return [silence, truncated, text, empty, untold]


@pytest.mark.timeout(900)
def test_from_upload_to_a_voice_that_speaks(
    portal: Portal, recordings: list[Path], tmp_path: Path
) -> None:
    metadata, *audio = recordings
    rows = metadata.read_text(encoding="utf-8") + "silent|Nothing.\ntruncated|Half.\nlost|Gone.\n"
    table = tmp_path / "metadata.csv"
    table.write_text(rows, encoding="utf-8")
    made = portal.post("/datasets", {"name": "Mixed", "language": "en-us"})
    taken = portal.upload(made["id"], [table, *audio, *bad_files(tmp_path)])
    assert {entry["name"] for entry in taken["rejected"]} >= {"text.wav", "empty.wav"}
    assert all(entry["reason"] for entry in taken["rejected"])

    check = portal.post(f"/datasets/{made['id']}/prepare")["job_id"]
    portal.wait_for(check, "succeeded")
    dataset = portal.get(f"/datasets/{made['id']}")
    assert dataset["state"] == "ready"
    assert dataset["report"]["utterances"] == len(audio)
    rejected = {entry["name"]: entry["code"] for entry in dataset["report"]["rejected"]}
    assert {"silent", "truncated", "lost"} <= set(rejected), rejected
    listed = portal.get(f"/datasets/{made['id']}/utterances")["items"]
    assert sum(item["status"] in {"ok", "fixed", "look"} for item in listed) == len(audio)

    order = {
        "kind": "train",
        "dataset_id": made["id"],
        "base_voice_id": portal.ready_base(),
        "preset": "cpu",
        "name": "Mixed",
        "params": SHORT,
    }
    job = portal.post("/jobs", order)["id"]
    ended = portal.wait_for(job, "succeeded", timeout=600)
    assert [stage["name"] for stage in ended["stages"]] == [
        *("fetch", "prepare", "train", "export", "verify", "publish")
    ]
    series = portal.get(f"/jobs/{job}/metrics")["series"]
    assert {"loss_g", "mel", "kl", "dur", "lr", "steps_per_second"} <= set(series)
    assert portal.get(f"/jobs/{job}/checkpoints")["items"][-1]["step"] == 2
    samples = portal.get(f"/jobs/{job}/samples")["items"]
    assert samples
    assert is_speech(portal.bytes(samples[-1]["url"].removeprefix("/api/v1")))

    spoken = portal.http.post(f"/voices/{ended['voice_id']}/speak", json={"text": "Good morning."})
    assert spoken.headers["Content-Type"] == "audio/wav"
    assert is_speech(spoken.content)
    check_bundle(portal.bytes(f"/voices/{ended['voice_id']}/bundle"), tmp_path)


def check_bundle(body: bytes, folder: Path) -> None:
    """All files are there, and the `piper` command speaks with them."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(folder / "bundle")
        names = set(archive.namelist())
    stem = "en_US-mixed-medium"
    assert {f"{stem}.onnx", f"{stem}.onnx.json", "MODEL_CARD"} <= names
    assert any(name.startswith("samples/") and name.endswith(".wav") for name in names)
    config = json.loads((folder / "bundle" / f"{stem}.onnx.json").read_text())
    assert config["audio"] == {"sample_rate": 22050, "quality": "medium"}
    assert config["language"]["code"] == "en_US"
    assert config["espeak"]["voice"] == "en-us"
    assert config["dataset"]
    assert config["piper_version"]
    card = (folder / "bundle" / "MODEL_CARD").read_text()
    assert "CC0" in card
    target = folder / "out.wav"
    model = folder / "bundle" / f"{stem}.onnx"
    command = [sys.executable, "-m", "piper", "-m", str(model), "-f", str(target)]
    subprocess.run([*command, "--", "The lights are on."], check=True, capture_output=True)
    assert is_speech(target.read_bytes())


def is_speech(body: bytes) -> bool:
    """Neither silence nor hiss: loud somewhere, quiet elsewhere, most energy under 4 kHz."""
    with wave.open(io.BytesIO(body)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        rate = file.getframerate()
        audio = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    assert audio.size > rate * 0.3
    frames = audio[: audio.size // 256 * 256].reshape(-1, 256)
    levels = np.sqrt((frames**2).mean(axis=1))
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    below = spectrum[: int(len(spectrum) * 4000 / (rate / 2))].sum() / spectrum.sum()
    return bool(
        levels.max() > 0.02 and np.percentile(levels, 10) < levels.max() / 5 and below > 0.7
    )


def test_a_second_team_finds_none_of_it(portal: Portal, stack: Stack) -> None:
    made = json.loads(stack.manage("create_user", "charlie", "--team", "Other", "--role", "owner"))
    assert {"url", "username", "password", "token"} <= set(made)
    charlie = httpx.Client(
        base_url=f"{stack.url}/api/v1", headers={"Authorization": f"Bearer {made['token']}"}
    )
    for kind in ("datasets", "jobs", "voices"):
        assert charlie.get(f"/{kind}").json()["total"] == 0
        for item in portal.get(f"/{kind}")["items"]:
            assert charlie.get(f"/{kind}/{item['id']}").status_code == 404
