"""Rows for files that lie in object storage already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from web.core.events import announce
from web.datasets.clips import NO_CLIP, forget_clips, free_objects
from web.datasets.models import Dataset, DatasetState, SourceFile, Utterance, UtteranceStatus
from web.datasets.queries import lock_dataset


class Unshelved(Exception):
    """The dataset is being checked: its files must not change now."""


@dataclass
class Arrival:
    """A file that is to become a source."""

    name: str
    kind: str
    format: str
    size: int
    """Bytes, reserved with the team's quota."""
    sha256: str
    key: str
    file: BinaryIO
    owned: bool = False
    """Whether the file is ours to close."""

    def close(self) -> None:
        if self.owned:
            self.file.close()


@transaction.atomic
def shelve(dataset_id: UUID, arrivals: Sequence[Arrival]) -> None:
    """Name stored objects as the dataset's files, all or none.

    A file of the same name is replaced: its row stays, so the utterance keeps its
    corrections, and its old object goes. Raises `Unshelved`, or `NotFound` when the
    dataset was deleted meanwhile.
    """
    if not arrivals:
        return
    # Two uploads of one name meet here: the lock lets one be the first and one the replacement.
    dataset = lock_dataset(dataset_id)
    if dataset.state == DatasetState.PREPARING:
        raise Unshelved
    names = [arrival.name for arrival in arrivals]
    present = {row.name: row for row in dataset.sources.filter(name__in=names)}
    fresh: list[SourceFile] = []
    replaced: list[SourceFile] = []
    unneeded: dict[str, int] = {}
    for arrival in arrivals:
        row = present.get(arrival.name)
        if row is None:
            fresh.append(SourceFile(dataset=dataset, name=arrival.name))
            _fill(fresh[-1], arrival)
        elif row.sha256 == arrival.sha256:
            unneeded[arrival.key] = arrival.size
        else:
            unneeded[row.key] = row.size
            _fill(row, arrival)
            replaced.append(row)
    SourceFile.objects.bulk_create(fresh)
    SourceFile.objects.bulk_update(
        replaced, ["kind", "format", "size", "sha256", "key", "uploaded"]
    )
    free_objects(dataset.team, unneeded)
    reset_utterances(dataset, replaced)
    if fresh or replaced:
        Dataset.objects.filter(pk=dataset.pk).update(
            state=DatasetState.DRAFT, error="", changed=timezone.now()
        )
    announce(f"dataset:{dataset.pk}")


def reset_utterances(dataset: Dataset, sources: Sequence[SourceFile]) -> None:
    """Forget what a check found of recordings that changed; texts and choices stay."""
    rows = Utterance.objects.filter(source__in=sources)
    clips = dict(rows.exclude(clip_key="").values_list("clip_key", "clip_size"))
    rows.update(status=UtteranceStatus.NEW, issues=[], phonemes="", seconds=None, **NO_CLIP)
    forget_clips(dataset.team, clips)


def _fill(row: SourceFile, arrival: Arrival) -> None:
    row.kind = arrival.kind
    row.format = arrival.format
    row.size = arrival.size
    row.sha256 = arrival.sha256
    row.key = arrival.key
    row.uploaded = timezone.now()
