"""Files of a base voice: what may come in, and where it is kept until the import."""

from __future__ import annotations

import json
from typing import TypeAlias
from uuid import uuid4

from django.core.files import File

from web.accounts.actions import in_words, reserve_storage
from web.accounts.models import Team, User
from web.core import storage
from web.core.problems import Invalid, TooLarge
from web.jobs.models import Job, JobInput
from web.jobs.submission import submit_import_base

# Django's own class takes no type argument at run time.
Upload: TypeAlias = "File[bytes]"
MODEL_BYTES = 2 * 2**30
CONFIG_BYTES = 2**20
NEEDED = (
    "Send either one .onnx file together with its .onnx.json, or one .ckpt file"
    " (its config.json may come along)."
)


def add(user: User, team: Team | None, files: list[Upload], name: str | None, licence: str) -> Job:
    """Store the files and submit their import. Raises `Invalid` where they are no voice."""
    models = [file for file in files if _suffix(file) in {".onnx", ".ckpt"}]
    configs = [file for file in files if _suffix(file) == ".json"]
    if len(models) != 1 or len(configs) > 1 or len(files) != len(models) + len(configs):
        raise Invalid(NEEDED, code="files")
    if _suffix(models[0]) == ".onnx" and not configs:
        raise Invalid(
            f"{models[0].name} needs its .onnx.json, which says what the voice's symbols mean. "
            + NEEDED,
            code="config_missing",
        )
    for file in files:
        _check(file)
    if team is not None:
        reserve_storage(team, sum(file.size or 0 for file in files))
    title = (name or _stem(models[0])).strip()[:120]
    return submit_import_base(user, team, title, licence[:200], _store(files))


def _check(file: Upload) -> None:
    limit = CONFIG_BYTES if _suffix(file) == ".json" else MODEL_BYTES
    if not file.size:
        raise Invalid(f"{file.name} is empty.", code="empty")
    if file.size > limit:
        raise TooLarge(f"{file.name} is larger than {in_words(limit)}.", code="too_large")
    if _suffix(file) == ".json":
        try:
            json.loads(file.read())
        except ValueError:
            raise Invalid(f"{file.name} is not JSON.", code="config_not_json") from None
        file.seek(0)


def _store(files: list[Upload]) -> dict[str, JobInput]:
    folder = f"uploads/base-voices/{uuid4()}"
    inputs = {}
    for file in files:
        plain = "model" + _suffix(file) if _suffix(file) != ".json" else "model.onnx.json"
        reader = storage.HashingReader(file)  # type: ignore[arg-type]
        storage.put(f"{folder}/{plain}", reader, file.size or 0)  # type: ignore[arg-type]
        inputs[plain] = JobInput(key=f"{folder}/{plain}", sha256=reader.sha256, size=file.size or 0)
    if "model.ckpt" in inputs and "model.onnx.json" in inputs:
        inputs["config.json"] = inputs.pop("model.onnx.json")
    return inputs


def _suffix(file: Upload) -> str:
    name = (file.name or "").lower()
    return "." + name.rpartition(".")[2] if "." in name else ""


def _stem(file: Upload) -> str:
    return (file.name or "voice").rpartition(".")[0]
