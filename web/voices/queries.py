"""Voices and base voices as the API and the pages show them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from web.accounts.models import User
from web.accounts.queries import visible
from web.core.problems import NotFound
from web.voices.models import BaseVoice, Voice, VoiceFile


def base_voices(user: User | AnonymousUser) -> QuerySet[BaseVoice]:
    """Those of the user's teams and those that are there for all."""
    mine = visible(BaseVoice.objects.all(), user)
    everyones = BaseVoice.objects.filter(team=None)
    return (mine | everyones).distinct().order_by("name", "pk")


def find_base(user: User | AnonymousUser, pk: Any) -> BaseVoice:
    found = base_voices(user).filter(Q(pk=pk)).first()
    if found is None:
        raise NotFound
    return found


def file_of(voice: Voice, role: str) -> VoiceFile:
    """The voice's one file of a role, such as `bundle`. Raises `NotFound`."""
    found = voice.files.filter(role=role).first()
    if found is None:
        raise NotFound
    return found


def voice_out(voice: Voice) -> dict[str, Any]:
    return {
        "id": str(voice.pk),
        "name": voice.name,
        "stem": voice.stem,
        "language": voice.language,
        "quality": voice.quality,
        "sample_rate": voice.sample_rate,
        "num_speakers": voice.num_speakers,
        "created": voice.created,
        "lineage": voice.lineage,
        "bundle_url": f"/api/v1/voices/{voice.pk}/bundle",
        "files": [
            {
                "name": file.name,
                "role": file.role,
                "size": file.size,
                "sha256": file.sha256,
                "url": f"/api/v1/voices/{voice.pk}/files/{file.name}",
            }
            for file in voice.files.all()
        ],
    }


def base_voice_out(base: BaseVoice) -> dict[str, Any]:
    return {
        "id": str(base.pk),
        "name": base.name,
        "state": base.state,
        "error": base.error or None,
        "shared": base.team_id is None,
        "source": base.source,
        "licence": base.licence,
        "language": base.language,
        "quality": base.quality,
        "sample_rate": base.sample_rate,
        "num_speakers": base.num_speakers,
        "num_symbols": base.num_symbols,
        "details": base.details,
        "sample_url": f"/api/v1/base-voices/{base.pk}/sample" if base.sample_key else None,
        "created": base.created,
    }
