"""An upload never lies in memory whole."""

from __future__ import annotations

import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import UploadedFile

from tests.web.datasets.samples import wav
from web.accounts.models import User
from web.datasets.actions import add_files
from web.datasets.models import Dataset

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]

MIB = 2**20


def test_a_large_archive_takes_little_memory(tmp_path: Path, bob: User, dataset: Dataset) -> None:
    path = tmp_path / "corpus.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("chapter.wav", wav(bytes(100 * MIB)))
        for number in range(100):
            archive.writestr(f"{number:03}.wav", wav(bytes([number, 0]) * (MIB // 2)))
    size = path.stat().st_size
    assert size > 200 * MIB
    tracemalloc.start()
    try:
        started = time.monotonic()
        with path.open("rb") as file:
            outcome = add_files(bob, dataset, [UploadedFile(file, "corpus.zip", size=size)])
        peak = tracemalloc.get_traced_memory()[1]
        print(f"{size / MIB:.0f} MiB in {time.monotonic() - started:.1f} s, {peak / MIB:.0f} MiB")
    finally:
        tracemalloc.stop()
    assert (len(outcome.accepted), outcome.rejected) == (101, [])
    # Four uploads at once, each with parts of 5 MiB under way.
    assert peak < 64 * MIB
