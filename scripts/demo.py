"""`make demo`: from recordings to a voice through the public API, on this machine.

Starts the whole portal in a folder of its own, uploads the sample that comes with
Syrinx, has it checked, trains with the CPU preset (or, where there is a GPU, the
quick one), lets the voice speak, and ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "web" / "datasets" / "sample"
PATIENCE_SECONDS = 3600
TEXT = "Hello! I was made on this machine a minute ago."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "var" / "demo")
    parser.add_argument("--preset", default="", help="cpu or quick; chosen by the hardware")
    parser.add_argument("--steps", type=int, default=0, help="instead of the preset's number")
    options = parser.parse_args()
    started = time.monotonic()
    options.data.mkdir(parents=True, exist_ok=True)
    log = options.data / "demo.log"
    say(f"Starting Syrinx in {options.data} (its log: {log})")
    with log.open("w") as output:
        portal = options.data / "portal"
        stack = start_stack(portal, output)
        try:
            made = make_voice(wait_until_ready(stack, portal, log), options)
        except (Failed, httpx.HTTPError, KeyboardInterrupt) as error:
            say(f"\nThe demo stopped: {str(error) or 'interrupted'}\nThe log is {log}.")
            return 1
        finally:
            stack.send_signal(signal.SIGINT)
            stack.wait(60)
    print(json.dumps({**made, "seconds": round(time.monotonic() - started, 1)}))
    return 0


class Failed(Exception):
    """A step of the demo did not succeed; the message says why."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start_stack(data: Path, output: Any) -> subprocess.Popen[bytes]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "manage.py", "up", "--data", str(data), "--port", str(port)]
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)


def wait_until_ready(stack: subprocess.Popen[bytes], data: Path, log: Path) -> httpx.Client:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if stack.poll() is not None:
            raise Failed("Syrinx did not start:\n" + "\n".join(log.read_text().splitlines()[-15:]))
        try:
            client = client_of(data)
            if client.get("/healthz").is_success and client.get("/api/v1/me").is_success:
                say(f"The portal is at {client.base_url}")
                return client
        except (OSError, ValueError, KeyError, httpx.TransportError):
            pass
        time.sleep(0.3)
    raise Failed("Syrinx did not become ready in two minutes.")


def client_of(data: Path) -> httpx.Client:
    known = json.loads((data / "credentials.json").read_text())
    headers = {"Authorization": f"Bearer {known['token']}"}
    return httpx.Client(base_url=known["url"], headers=headers, timeout=120)


def make_voice(client: httpx.Client, options: argparse.Namespace) -> dict[str, str]:
    base = wait_for_base(client)
    dataset = upload_sample(client)
    check = ask(client, "POST", f"/api/v1/datasets/{dataset}/prepare")["job_id"]
    follow(client, check, "Checking the recordings")
    report = ask(client, "GET", f"/api/v1/datasets/{dataset}")["report"]
    say(f"{report['utterances']} recordings, {report['minutes']:.1f} minutes of usable speech")
    preset = options.preset or ("quick" if shutil.which("nvidia-smi") else "cpu")
    order: dict[str, Any] = {
        "kind": "train",
        "dataset_id": dataset,
        "base_voice_id": base,
        "preset": preset,
        "name": "demo",
        "params": {"max_steps": options.steps} if options.steps else {},
    }
    job = ask(client, "POST", "/api/v1/jobs", json=order)["id"]
    voice = follow(client, job, "Training")["voice_id"]
    return {"voice": voice, **fetch(client, voice, options.data)}


def wait_for_base(client: httpx.Client) -> str:
    """The id of the public-domain base voice, which the first start imports."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        imports = ask(client, "GET", "/api/v1/jobs?kind=import_base")["items"]
        if imports:
            follow(client, imports[-1]["id"], "Importing the base voice")
            return str(imports[-1]["base_voice_id"])
        time.sleep(0.5)
    raise Failed("The base voice was never registered.")


def upload_sample(client: httpx.Client) -> str:
    name = f"Sample {time.strftime('%Y-%m-%d %H:%M:%S')}"
    order = {"name": name, "language": "en-us"}
    dataset = str(ask(client, "POST", "/api/v1/datasets", json=order)["id"])
    files = [SAMPLE / "metadata.csv", *sorted((SAMPLE / "wavs").iterdir())]
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    taken = ask(client, "POST", f"/api/v1/datasets/{dataset}/files", files=parts)
    if taken["rejected"]:
        raise Failed(f"The portal refused {taken['rejected']}")
    say(f"Uploaded {len(taken['accepted'])} files")
    return dataset


def follow(client: httpx.Client, job: str, title: str) -> dict[str, Any]:
    """Show a job's progress until it has ended; raises `Failed` unless it ended well."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with tqdm(
        total=100, desc=title, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar:30}| {postfix}"
    ) as bar:
        while time.monotonic() < deadline:
            state: dict[str, Any] = ask(client, "GET", f"/api/v1/jobs/{job}")
            bar.update(round(state["progress"] * 100) - bar.n)
            left = state["eta_seconds"]
            bar.set_postfix_str(
                f"{state['stage'] or state['state']}" + (f", {left:.0f} s left" if left else "")
            )
            if state["state"] == "succeeded":
                return state
            if state["state"] in {"failed", "cancelled"}:
                raise Failed(f"{title}: {(state['error'] or {}).get('message', state['state'])}")
            time.sleep(0.5)
    raise Failed(f"{title} did not end within an hour.")


def fetch(client: httpx.Client, voice: str, folder: Path) -> dict[str, str]:
    bundle = folder / f"{ask(client, 'GET', f'/api/v1/voices/{voice}')['stem']}.zip"
    bundle.write_bytes(client.get(f"/api/v1/voices/{voice}/bundle").raise_for_status().content)
    with zipfile.ZipFile(bundle) as archive:
        say("The bundle holds " + ", ".join(archive.namelist()))
    sample = folder / "sample.wav"
    spoken = client.post(f"/api/v1/voices/{voice}/speak", json={"text": TEXT})
    sample.write_bytes(checked(spoken).content)
    return {"bundle": str(bundle), "sample": str(sample)}


def ask(client: httpx.Client, method: str, path: str, **body: Any) -> Any:
    return checked(client.request(method, path, **body)).json()


def checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        try:
            reason = answer.json()["detail"]
        except (ValueError, KeyError):
            reason = answer.text[:200]
        raise Failed(f"{answer.request.method} {answer.request.url.path}: {reason}")
    return answer


if __name__ == "__main__":
    sys.exit(main())
