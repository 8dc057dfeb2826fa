"""Objects that attempts uploaded and nothing came to need: fenced, failed or cancelled ones."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from web.core import storage
from web.datasets.models import Utterance, VersionItem
from web.jobs.models import ACTIVE, Checkpoint, JobObject, Sample
from web.voices.models import BaseVoice, VoiceFile

# Longer than any presigned URL lives, so that no late PUT brings one back.
AGE = timedelta(hours=1)
BATCH = 1000


def sweep_objects() -> int:
    """Delete what no row names any more, of jobs that ended an hour ago. Returns how many."""
    ended = JobObject.objects.filter(job__ended__lt=timezone.now() - AGE)
    rows = list(ended.exclude(job__state__in=ACTIVE).order_by("pk")[:BATCH])
    keys = {row.key for row in rows}
    unneeded = keys - in_use(keys)
    for row in rows:
        if row.upload_id and row.key in unneeded:
            storage.abort_multipart(row.key, row.upload_id)
    storage.delete(unneeded)
    # The others are looked after by the rows that name them.
    JobObject.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(unneeded)


def in_use(keys: set[str]) -> set[str]:
    """Those of the keys that a row names which people can see."""
    found: set[str] = set()
    for model, fields in (
        (Checkpoint, ["key"]),
        (Sample, ["key"]),
        (VoiceFile, ["key"]),
        (BaseVoice, ["weights_key", "config_key", "sample_key"]),
        (Utterance, ["clip_key"]),
        (VersionItem, ["clip_key"]),
    ):
        for field in fields:
            rows = model._default_manager.filter(**{f"{field}__in": keys})
            found |= set(rows.values_list(field, flat=True))
    return found
