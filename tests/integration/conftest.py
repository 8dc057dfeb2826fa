"""One portal with two agents for all tests of this folder, and recordings to give it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpu_agent.pipeline.decoding import ffmpeg_path
from tests.integration.portal import Portal
from tests.stack import Stack
from web.datasets import sample


@pytest.fixture(scope="session")
def portal(stack: Stack) -> Portal:
    return Portal(stack.url, stack.token)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six sentences of the sample with their metadata, as MP3 and as WAV of several kinds."""
    folder = tmp_path_factory.mktemp("recordings")
    rows = (sample.FOLDER / "metadata.csv").read_text(encoding="utf-8").splitlines()[:6]
    kinds = ["a.mp3", "b.wav", "c.flac", "d.wav", "e.mp3", "f.m4a"]
    options = [[], ["-ar", "44100", "-ac", "2"], [], ["-ar", "16000"], ["-ar", "48000"], []]
    table = []
    for row, kind, extra in zip(rows, kinds, options, strict=True):
        name, text = row.split("|")
        source = sample.FOLDER / "wavs" / f"{name}.ogg"
        subprocess.run(
            [ffmpeg_path(), "-v", "error", "-y", "-i", source, *extra, folder / kind], check=True
        )
        table.append(f"{kind.partition('.')[0]}|{text}")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(table) + "\n", encoding="utf-8")
    return [metadata, *(folder / kind for kind in kinds)]
