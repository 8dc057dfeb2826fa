"""The standardised recordings that checks produce: counted, and deleted with their last user."""

from __future__ import annotations

from collections.abc import Mapping

from web.accounts.actions import release_storage
from web.accounts.models import Team
from web.core import storage
from web.datasets.models import Utterance, VersionItem

NO_CLIP = {"clip_key": "", "clip_sha256": "", "clip_size": 0}


def forget_clips(team: Team, clips: Mapping[str, int]) -> None:
    """Free clips (sizes in bytes by key) that no utterance and no version names any more.

    Call it in the transaction that let go of them; the objects go after it commits.
    """
    keys = [key for key in clips if key]
    kept = {
        *VersionItem.objects.filter(clip_key__in=keys).values_list("clip_key", flat=True),
        *Utterance.objects.filter(clip_key__in=keys).values_list("clip_key", flat=True),
    }
    gone = [key for key in keys if key not in kept]
    free_objects(team, {key: clips[key] for key in gone})


def free_objects(team: Team, objects: Mapping[str, int]) -> None:
    """Give the bytes (by key) back to the team now, and delete the objects after the commit."""
    if not objects:
        return
    release_storage(team, sum(objects.values()))
    storage.delete_after_commit(objects)
