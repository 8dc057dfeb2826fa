"""Recordings and archives for tests, made here."""

from __future__ import annotations

import io
import math
import struct
import tarfile
import wave
import zipfile
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from web.datasets.models import Dataset


def tone(seconds: float = 0.5, hertz: float = 220.0, rate: int = 16000) -> bytes:
    """A WAV file: a sine, 16-bit, mono."""
    samples = (
        int(9000 * math.sin(2 * math.pi * hertz * index / rate))
        for index in range(int(seconds * rate))
    )
    return wav(b"".join(struct.pack("<h", sample) for sample in samples), rate)


def wav(samples: bytes, rate: int = 16000) -> bytes:
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return body.getvalue()


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return body.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return body.getvalue()


def upload(client: Client, dataset: Dataset, files: Mapping[str, bytes]) -> Any:
    """POST the files as one form."""
    form = {"files": [SimpleUploadedFile(name, data) for name, data in files.items()]}
    return client.post(f"/api/v1/datasets/{dataset.pk}/files", form)


def codes(answer: Any) -> dict[str, str]:
    """Codes of the rejected by name."""
    return {entry["name"]: entry["code"] for entry in answer.json()["rejected"]}
