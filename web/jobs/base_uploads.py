"""Files of a base voice: what may come in, and where it is kept until the import."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias
from uuid import uuid4

import structlog
from django.core.files import File
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from web.accounts.actions import release_storage, reserve_storage
from web.accounts.models import Team, User
from web.core import storage
from web.core.problems import Invalid, TooLarge
from web.core.words import in_words
from web.jobs.models import Job, JobInput
from web.jobs.submission import require_importer, submit_import_base

# Django's own class takes no type argument at run time.
Upload: TypeAlias = "File[bytes]"
MODEL_BYTES = 2 * 2**30
CONFIG_BYTES = 2**20
CONFIG = "model.onnx.json"
NEEDED = (
    "Send either one .onnx file together with its .onnx.json, or one .ckpt file"
    " (its config.json may come along)."
)
log = structlog.get_logger(__name__)


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
    require_importer(user, team)
    size = sum(file.size or 0 for file in files)
    if team is not None:
        reserve_storage(team, size)
    title = (name or _stem(models[0])).strip()[:120]
    inputs = {_plain(file): _input(file) for file in files}
    try:
        for file in files:
            _store(file, inputs[_plain(file)])
        if "model.ckpt" in inputs and CONFIG in inputs:
            inputs["config.json"] = inputs.pop(CONFIG)
        return submit_import_base(user, team, title, licence[:200], inputs)
    except BaseException:
        if team is not None:
            release_storage(team, size)
        _discard(inputs.values())
        raise


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


def _plain(file: Upload) -> str:
    return CONFIG if _suffix(file) == ".json" else "model" + _suffix(file)


def _input(file: Upload) -> JobInput:
    return JobInput(key=f"uploads/base-voices/{uuid4()}/{_plain(file)}", size=file.size or 0)


def _store(file: Upload, row: JobInput) -> None:
    reader = storage.HashingReader(file)  # type: ignore[arg-type]
    storage.put(row.key, reader, row.size)  # type: ignore[arg-type]
    row.sha256 = reader.sha256


def _discard(rows: Iterable[JobInput]) -> None:
    try:
        storage.delete(row.key for row in rows)
    except (MinioException, HTTPError, RuntimeError) as error:
        log.warning("could not delete a base voice that was not taken", error=str(error))


def _suffix(file: Upload) -> str:
    name = (file.name or "").lower()
    return "." + name.rpartition(".")[2] if "." in name else ""


def _stem(file: Upload) -> str:
    return (file.name or "voice").rpartition(".")[0]
