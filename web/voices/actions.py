"""What happens to voices and base voices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction

from web.accounts.actions import charge_storage, release_storage
from web.accounts.models import Team, User
from web.accounts.queries import require_editor
from web.core import audit, storage
from web.core.events import EVERYONE, announce
from web.core.problems import Conflict, Forbidden, Invalid
from web.core.storage import StoredObject
from web.voices.models import BaseVoice, BaseVoiceState, Voice, VoiceFile
from web.voices.signals import base_voice_deleting

LONGEST_NAME = 80  # characters; a job's may be longer
VOICE_ROLES = ("onnx", "config", "model_card", "voice_sample", "bundle")


class Output(StoredObject, Protocol):
    """A stored object of an agent's manifest."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


class Version(Protocol):
    """A dataset version, as far as a lineage needs it."""

    number: int
    sha256: str


def lineage_of(
    job_id: UUID,
    team: Team,
    dataset: str,
    dataset_id: UUID,
    version: Version,
    base: BaseVoice | None,
) -> dict[str, Any]:
    """`Lineage` of specs.proto: who makes what from what."""
    return {
        "team": team.name,
        "dataset": dataset,
        "dataset_id": str(dataset_id),
        "dataset_version": version.number,
        "dataset_sha256": version.sha256,
        "base_voice": base.name if base else "",
        "base_voice_id": str(base.pk) if base else "",
        "base_licence": base.licence if base else "",
        "base_source": base.source if base else "",
        "job_id": str(job_id),
        "portal": settings.SYRINX_PUBLIC_URL,
    }


def publish_voice(
    team: Team,
    name: str,
    language: str,
    quality: str,
    result: dict[str, Any],
    lineage: dict[str, Any],
    files: Sequence[Output],
) -> Voice:
    """Make a finished voice visible, in the transaction that ends its job.

    `result` is `VoiceResult` of specs.proto as JSON with its field names.
    """
    wanted = [file for file in files if file.role in VOICE_ROLES]
    _require_roles(wanted, "onnx", "config", "bundle")
    voice = Voice.objects.create(
        team=team,
        name=name[:LONGEST_NAME],
        stem=result["stem"],
        language=language,
        quality=quality,
        sample_rate=result.get("sample_rate", 22050),
        num_speakers=result.get("num_speakers") or 1,
        lineage={
            **lineage,
            "steps": int(result.get("steps", 0)),
            "epochs": int(result.get("epochs", 0)),
            "scores": result.get("scores", {}),
            "real_time_factor": result.get("real_time_factor", 0.0),
        },
    )
    VoiceFile.objects.bulk_create(
        VoiceFile(
            voice=voice,
            role=file.role,
            name=file.name,
            key=file.key,
            sha256=file.sha256,
            size=file.size,
        )
        for file in wanted
    )
    charge_storage(team, sum(file.size for file in wanted))
    audit.record("system", "publish_voice", voice, stem=voice.stem)
    announce(f"team:{team.pk}")
    return voice


def _require_roles(files: Sequence[Output], *roles: str) -> None:
    missing = set(roles) - {file.role for file in files}
    if missing:
        raise Invalid(f"The agent's manifest lacks {', '.join(sorted(missing))}.", code="manifest")


def rename_voice(user: User, voice: Voice, name: str) -> None:
    require_editor(user, voice.team)
    if not name.strip():
        raise Invalid("A voice needs a name.", code="name")
    voice.name = name.strip()[:LONGEST_NAME]
    with transaction.atomic():
        voice.save(update_fields=["name"])
        audit.record(user, "rename_voice", voice, name=voice.name)


def delete_voice(user: User, voice: Voice) -> None:
    """Delete a voice and its files. The training that made it stays."""
    require_editor(user, voice.team)
    with transaction.atomic():
        files = list(voice.files.all())
        release_storage(voice.team, sum(file.size for file in files))
        audit.record(user, "delete_voice", voice, stem=voice.stem)
        keys = [file.key for file in files]
        voice.delete()
        storage.delete_after_commit(keys)


def finish_import(base: BaseVoice, result: dict[str, Any], files: Sequence[Output]) -> None:
    """Make an imported base voice ready, in the transaction that ends its job."""
    by_role = {file.role: file for file in files}
    _require_roles(files, "base_weights", "base_config")
    for part, role in (("weights", "base_weights"), ("config", "base_config")):
        for field in ("key", "sha256", "size"):
            setattr(base, f"{part}_{field}", getattr(by_role[role], field))
    if "base_sample" in by_role:
        base.sample_key = by_role["base_sample"].key
    for field in ("language", "quality", "sample_rate", "num_speakers", "num_symbols"):
        setattr(base, field, result.get(field) or getattr(base, field))
    base.licence = base.licence or result.get("licence", "")
    base.details = {
        key: result.get(key, 0)
        for key in ("parameters_found", "parameters_fresh", "max_difference")
    }
    base.state, base.error = BaseVoiceState.READY, ""
    base.save()
    announce(EVERYONE if base.team_id is None else f"team:{base.team_id}")
    if base.team is not None:
        charge_storage(base.team, base.weights_size + base.config_size)


def fail_import(base: BaseVoice, message: str) -> None:
    BaseVoice.objects.filter(pk=base.pk, state=BaseVoiceState.IMPORTING).update(
        state=BaseVoiceState.FAILED, error=message
    )


def restart_import(base: BaseVoice) -> None:
    BaseVoice.objects.filter(pk=base.pk, state=BaseVoiceState.FAILED).update(
        state=BaseVoiceState.IMPORTING, error=""
    )


def delete_base_voice(user: User, base: BaseVoice) -> None:
    """Remove a base voice from the catalogue; voices made from it keep their lineage."""
    if base.team is None and not user.is_staff:
        raise Forbidden("Only an administrator removes a base voice of all teams.", code="role")
    if base.team is not None:
        require_editor(user, base.team)
    if base.state == BaseVoiceState.IMPORTING:
        raise Conflict("Wait for the import to end, or cancel it first.", code="importing")
    with transaction.atomic():
        base_voice_deleting.send(BaseVoice, base=base)
        audit.record(user, "delete_base_voice", base, name=base.name)
        keys = [base.weights_key, base.config_key, base.sample_key]
        if base.team is not None:
            release_storage(base.team, base.weights_size + base.config_size)
        base.delete()
        storage.delete_after_commit(keys)
