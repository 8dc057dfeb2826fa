"""What an agent would bring back of a check, for tests of what becomes of it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import transaction

from tests.web.datasets.samples import tone
from web.core import storage
from web.datasets.actions import (
    apply_prepared,
    build_utterances,
    mark_preparing,
    prepare_inputs,
)
from web.datasets.models import Dataset, SourceFile, SourceKind
from web.datasets.sniff import look_at


@dataclass
class StoredClip:
    key: str
    sha256: str
    size: int


def add_source(dataset: Dataset, name: str, data: bytes, store: bool = True) -> SourceFile:
    """A file of the dataset, without the upload."""
    found = look_at(name, data)
    key = f"uploads/tests/{uuid4()}"
    if store:
        storage.put(key, io.BytesIO(data), len(data))
    kind = SourceKind.METADATA if name.endswith((".csv", ".tsv", ".txt")) else SourceKind.AUDIO
    return SourceFile.objects.create(
        dataset=dataset,
        name=name,
        kind=kind,
        format=getattr(found, "format", ""),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        key=key,
    )


def fill(dataset: Dataset, metadata: str | bytes, *recordings: str) -> None:
    """Transcripts and the named recordings, whose contents nobody reads."""
    body = metadata.encode() if isinstance(metadata, str) else metadata
    add_source(dataset, "metadata.csv", body)
    for name in recordings:
        add_source(dataset, name, tone(0.01), store=False)


def start(dataset: Dataset) -> list[dict[str, str]]:
    """Submit a check, as `jobs` does; returns the agent's rows."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        build_utterances(dataset)
        rows, _ = prepare_inputs(dataset)
        mark_preparing(dataset)
    return rows


def check(dataset: Dataset, verdicts: dict[str, dict[str, Any]] | None = None) -> Dataset:
    """A whole check: everything is good but what `verdicts` says by name."""
    rows = start(dataset)
    clips: dict[str, StoredClip] = {}
    prepared = []
    for row in rows:
        verdict = {"status": "ok", "seconds": 2.0, "issues": [], "phonemes": "həloʊ"}
        verdict |= (verdicts or {}).get(row["name"], {})
        clip = f"{row['id']}.wav"
        if verdict["status"] == "rejected":
            verdict["clip"] = None
        else:
            key = f"jobs/tests/{uuid4()}/{clip}"
            sha256 = hashlib.sha256(row["audio"].encode()).hexdigest()
            clips[clip] = StoredClip(key, sha256, 1000)
            verdict["clip"] = clip
        prepared.append({"id": row["id"], **verdict})
    apply_prepared(dataset, iter(prepared), clips)
    dataset.refresh_from_db()
    return dataset


def issue(code: str, advice: str, value: float | None = None, limit: float | None = None) -> Any:
    return {"code": code, "value": value, "limit": limit, "advice": advice}


def rejected(dataset: Dataset) -> dict[str, str]:
    """Codes of the report by name."""
    return {entry["name"]: entry["code"] for entry in dataset.report["rejected"]}
