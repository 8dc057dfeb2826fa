"""What the pages of voices show."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from web.accounts.models import User
from web.accounts.queries import visible
from web.voices.models import BaseVoice, Voice, VoiceFile

# What a person calls a part of the lineage, in the order shown.
SCORE_WORDS = {
    "val_mel": "Validation loss (mel)",
    "mel": "Training loss (mel)",
    "kl": "Divergence (KL)",
    "dur": "Timing loss",
}


def voice_rows(user: User) -> QuerySet[Voice]:
    return visible(Voice.objects.select_related("team").prefetch_related("files"), user)


def file_url(file: VoiceFile) -> str:
    return f"/api/v1/voices/{file.voice_id}/files/{file.name}"


def samples(voice: Voice) -> list[VoiceFile]:
    return [file for file in voice.files.all() if file.role == "voice_sample"]


def sample_url(voice: Voice) -> str:
    """The first sample, or nothing."""
    found = samples(voice)
    return file_url(found[0]) if found else ""


def by_role(voice: Voice) -> dict[str, VoiceFile]:
    """The files of which a voice has one: onnx, config, model_card, bundle."""
    return {file.role: file for file in voice.files.all() if file.role != "voice_sample"}


def scores(voice: Voice) -> list[tuple[str, Any]]:
    found: dict[str, Any] = voice.lineage.get("scores") or {}
    return [(SCORE_WORDS.get(name, name), value) for name, value in sorted(found.items())]


def base_rows(user: User) -> QuerySet[BaseVoice]:
    """Those of the user's teams and those that are there for all."""
    rows = BaseVoice.objects.select_related("team")
    if user.is_staff:
        return rows
    return rows.filter(Q(team=None) | Q(team__memberships__user=user)).distinct()
