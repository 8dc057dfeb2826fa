"""Frozen versions: what a training saw."""

from __future__ import annotations

import hashlib

from django.db import transaction

from web.core.events import announce
from web.core.problems import Invalid
from web.datasets.bulk import ROWS_AT_ONCE
from web.datasets.models import Dataset, DatasetState, DatasetVersion, VersionItem
from web.datasets.queries import usable

NOT_READY = {
    DatasetState.DRAFT: "Files have changed or were never checked. Have the dataset checked first.",
    DatasetState.PREPARING: "The dataset is being checked. Wait until that is done.",
    DatasetState.FAILED: "The last check failed, so there is nothing to train on.",
}


@transaction.atomic
def freeze_version(dataset: Dataset) -> DatasetVersion:
    """The version that holds what is included now; a new one only where the content is new.

    Raises `Invalid` with the code `not_ready` or `nothing_included`.
    """
    # The lock gives numbers one after the other.
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    if dataset.state != DatasetState.READY:
        sentence = f"{NOT_READY[DatasetState(dataset.state)]} {dataset.error}".strip()
        raise Invalid(sentence, code="not_ready")
    rows = list(dataset.utterances.filter(usable()).exclude(text="").order_by("position"))
    if not rows:
        raise Invalid(
            "No recording of the dataset is included. Take some back in on the page Review.",
            code="nothing_included",
        )
    lines = sorted(f"{row.name}|{row.text}|{row.clip_sha256}\n" for row in rows)
    sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
    same = dataset.versions.filter(sha256=sha256).first()
    if same is not None:
        return same
    last = dataset.versions.order_by("-number").first()
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=last.number + 1 if last else 1,
        sha256=sha256,
        utterances=len(rows),
        seconds=sum(row.seconds or 0.0 for row in rows),
    )
    items = (
        VersionItem(
            version=version,
            name=row.name,
            text=row.text,
            seconds=row.seconds or 0.0,
            clip_key=row.clip_key,
            clip_sha256=row.clip_sha256,
            clip_size=row.clip_size,
        )
        for row in rows
    )
    VersionItem.objects.bulk_create(items, batch_size=ROWS_AT_ONCE)
    announce(f"dataset:{dataset.pk}")
    return version
