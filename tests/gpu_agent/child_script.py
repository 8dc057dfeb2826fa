"""What the agent's tests run instead of the pipeline: it speaks the channel and does as told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gpu_agent.pipeline.channel import Channel
from gpu_agent.pipeline.context import OutputFile, Released

BASE = {"language": "en-us", "quality": "medium", "sample_rate": 22050, "licence": "CC0"}


def fetch_and_keep(channel: Channel) -> None:
    """Every input comes back as an output."""
    channel.stage("fetch")
    paths = channel.fetch(list(channel.inputs) + list(channel.resume))
    channel.stage("publish")
    channel.keep([OutputFile(path, role="copy") for path in paths.values()])
    channel.succeed("import_base", BASE | {"parameters_found": len(paths)})


def report(channel: Channel) -> None:
    """One of everything, and a flood of what may be lost."""
    channel.stage("train")
    for number in range(20_000):
        channel.progress(number / 20_000)
    for number in range(5_000):
        channel.log(f"line {number}")
    for step in range(1, 1501):
        channel.metrics(step, {"loss_g": 1 / step, "bad": float("nan")})
    sample = channel.work_dir / "sample.wav"
    sample.write_bytes(b"RIFF")
    channel.sample(sample, step=5, index=0, text="Hello.", seconds=1.5)
    checkpoint = channel.work_dir / "last.ckpt"
    checkpoint.write_bytes(b"weights")
    channel.checkpoint(checkpoint, step=5, epoch=1, scores={"val_mel": 0.5})
    channel.progress(1.0)
    print("printed by a library")
    channel.succeed("import_base", BASE)


def endless(channel: Channel) -> None:
    """Hangs with a child of its own, as a trainer with a data loader would."""
    loader = subprocess.Popen(["/bin/sleep", "600"])
    pids = {"trainer": os.getpid(), "loader": loader.pid}
    (channel.work_dir / "pids.json").write_text(json.dumps(pids))
    channel.stage("train")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # As deaf as a trainer deep in native code: it sees neither signals nor its pipe's end.
    os.kill(os.getpid(), signal.SIGSTOP)


def obedient(channel: Channel) -> None:
    """Trains until it is told otherwise."""
    channel.stage("train")
    while True:
        wish = channel.wish()
        if wish == "release":
            path = channel.work_dir / "release.ckpt"
            path.write_bytes(b"last")
            channel.checkpoint(path, step=3, epoch=0, scores={})
            raise Released
        if wish == "finish_now":
            channel.log("finishing")
            channel.succeed("import_base", BASE)
            return
        if wish == "checkpoint_now":
            channel.log("checkpointing")
        time.sleep(0.02)


def environment(channel: Channel) -> None:
    path = channel.work_dir / "environment.json"
    net = Path("/proc/net/dev").read_text()
    parent = Path(f"/proc/{os.getppid()}/environ").read_bytes().decode()
    told = {"environment": dict(os.environ), "net": net, "cwd": os.getcwd(), "guard": parent}
    path.write_text(json.dumps(told | {"umask": os.umask(0)}))
    channel.keep([OutputFile(path, role="environment")])
    channel.succeed("import_base", BASE)


def escape(channel: Channel) -> None:
    channel.keep([OutputFile(Path("/etc/hostname"), role="loot")])


def crash(channel: Channel) -> None:
    print("Traceback: the GPU fell off the bus", file=sys.stderr)
    os.abort()


def oom_killed(channel: Channel) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cuda_oom(channel: Channel) -> None:
    sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")


def failing(channel: Channel) -> None:
    channel.fail("dataset_empty", "The dataset has no usable recording; add some.")


def disk_full(channel: Channel) -> None:
    channel.give_back("disk_full", "The host's disk is full.")


def main() -> None:
    job = json.loads((Path(sys.argv[1]) / "job.json").read_text())
    outgoing = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    channel = Channel(job, os.fdopen(os.dup(0)), outgoing)
    try:
        globals()[job["spec"]["source"]](channel)
    except Released:
        channel.give_back("host_stopping", "released")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
