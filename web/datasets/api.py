"""`/datasets`: recordings with their texts, and what a check says about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from ninja import File, Router, Schema, Status, UploadedFile
from pydantic import Field

from web.accounts.api_auth import caller
from web.accounts.queries import working_team
from web.core.downloads import serve_object
from web.core.paging import Limit, Offset, Page, page_of
from web.core.problems import NotFound
from web.datasets import actions, queries
from web.datasets.languages import LANGUAGES
from web.datasets.sniff import AUDIO_TYPES

router = Router(tags=["datasets"])

Verdict = Literal["new", "ok", "fixed", "look", "rejected"]


class DatasetIn(Schema):
    name: str = Field(description="At most 80 characters; unique in the team.")
    language: str = Field(description="An espeak-ng voice such as `en-us`; see `/languages`.")
    team: str | None = Field(None, description="A team of yours; your first one if left out.")


class DatasetPatch(Schema):
    name: str | None = None
    language: str | None = Field(None, description="Another one calls for another check.")


class Rejected(Schema):
    name: str
    code: str
    reason: str


class Report(Schema):
    utterances: int = Field(description="Included ones that can be trained on.")
    minutes: float = Field(description="Of speech in them.")
    rejected: list[Rejected]
    warnings: list[str]


class DatasetOut(Schema):
    id: UUID
    name: str
    language: str
    language_name: str
    team: str
    state: Literal["draft", "preparing", "ready", "failed"]
    error: str = Field(description="Why the last check failed; empty otherwise.")
    report: Report
    files: int
    bytes: int
    created: datetime
    changed: datetime


class UploadOut(Schema):
    accepted: list[str]
    rejected: list[Rejected]


class FileOut(Schema):
    id: UUID
    name: str
    kind: Literal["audio", "metadata"]
    format: str
    bytes: int
    sha256: str
    uploaded: datetime


class Issue(Schema):
    code: str
    value: Any = Field(None, description="What was measured.")
    limit: Any = None
    advice: str


class UtteranceOut(Schema):
    id: UUID
    name: str
    text: str
    text_edited: bool
    seconds: float | None = Field(description="Null before the first check.")
    included: bool
    status: Verdict
    issues: list[Issue]
    phonemes: str = Field(description="Empty where the text changed since the check.")
    has_audio: bool


class UtterancePatch(Schema):
    text: str | None = None
    included: bool | None = None


class VersionOut(Schema):
    id: UUID
    number: int
    sha256: str
    utterances: int
    seconds: float
    created: datetime


class LanguageOut(Schema):
    code: str
    name: str


@router.get("/languages", response=list[LanguageOut])
def list_languages(request: HttpRequest) -> Any:
    """The languages that Piper's espeak-ng speaks, by English name."""
    return [{"code": code, "name": name} for code, name in LANGUAGES]


@router.get("/datasets", response=Page[DatasetOut])
def list_datasets(request: HttpRequest, limit: Limit = 100, offset: Offset = 0) -> Any:
    """Your teams' datasets, newest first."""
    return page_of(request, queries.datasets(caller(request)), limit, offset, queries.dataset_out)


@router.post("/datasets", response={201: DatasetOut})
def create_dataset(request: HttpRequest, payload: DatasetIn) -> Any:
    """Make an empty dataset."""
    user = caller(request)
    team = working_team(user, payload.team)
    dataset = actions.create_dataset(user, team, payload.name, payload.language)
    return Status(201, queries.dataset_out(dataset))


@router.get("/datasets/{dataset_id}", response=DatasetOut)
def get_dataset(request: HttpRequest, dataset_id: UUID) -> Any:
    """A dataset with the report of its last check."""
    return queries.dataset_out(queries.find_dataset(caller(request), dataset_id))


@router.patch("/datasets/{dataset_id}", response=DatasetOut)
def change_dataset(request: HttpRequest, dataset_id: UUID, payload: DatasetPatch) -> Any:
    """Rename it, or change its language."""
    user = caller(request)
    dataset = queries.find_dataset(user, dataset_id)
    changed = actions.change_dataset(user, dataset, payload.name, payload.language)
    return queries.dataset_out(changed)


@router.delete("/datasets/{dataset_id}", response={204: None})
def delete_dataset(request: HttpRequest, dataset_id: UUID) -> Any:
    """Delete it with all recordings and versions. Voices that were trained on it stay."""
    user = caller(request)
    actions.delete_dataset(user, queries.find_dataset(user, dataset_id))
    return Status(204, None)


@router.post("/datasets/{dataset_id}/files", response={202: UploadOut})
def add_files(
    request: HttpRequest,
    dataset_id: UUID,
    files: File[list[UploadedFile]],
) -> Any:
    """Add recordings, a `metadata.csv`, or a zip or tar of both; `files` can be repeated.

    A file of a name that is there already is replaced, and its utterance keeps its
    corrections. What is not taken is named with the reason; the rest goes in.
    """
    user = caller(request)
    outcome = actions.add_files(user, queries.find_dataset(user, dataset_id), files)
    return Status(202, {"accepted": outcome.accepted, "rejected": outcome.rejected})


@router.get("/datasets/{dataset_id}/files", response=Page[FileOut])
def list_files(
    request: HttpRequest, dataset_id: UUID, limit: Limit = 100, offset: Offset = 0
) -> Any:
    """What was uploaded, by name."""
    dataset = queries.find_dataset(caller(request), dataset_id)
    return page_of(request, dataset.sources.order_by("name"), limit, offset, queries.source_out)


@router.delete("/datasets/{dataset_id}/files/{file_id}", response={204: None})
def delete_file(request: HttpRequest, dataset_id: UUID, file_id: UUID) -> Any:
    """Delete one file."""
    user = caller(request)
    dataset = queries.find_dataset(user, dataset_id)
    actions.delete_source(user, dataset, queries.find_source(dataset, file_id))
    return Status(204, None)


@router.get("/datasets/{dataset_id}/utterances", response=Page[UtteranceOut])
def list_utterances(
    request: HttpRequest,
    dataset_id: UUID,
    status: Verdict | None = None,
    included: bool | None = None,
    issue: str | None = None,
    search: str | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Any:
    """In the order of the transcripts; `issue` is a code, `search` a part of name or text."""
    dataset = queries.find_dataset(caller(request), dataset_id)
    rows = queries.utterances(dataset, status, included, issue, search)
    return page_of(request, rows, limit, offset, queries.utterance_out)


@router.patch("/datasets/{dataset_id}/utterances/{utterance_id}", response=UtteranceOut)
def edit_utterance(
    request: HttpRequest, dataset_id: UUID, utterance_id: UUID, payload: UtterancePatch
) -> Any:
    """Correct what is said, take it in or leave it out."""
    user = caller(request)
    dataset = queries.find_dataset(user, dataset_id)
    utterance = queries.find_utterance(dataset, utterance_id)
    changed = actions.edit_utterance(user, utterance, payload.text, payload.included)
    return queries.utterance_out(changed)


@router.get("/datasets/{dataset_id}/utterances/{utterance_id}/audio")
def get_audio(request: HttpRequest, dataset_id: UUID, utterance_id: UUID) -> HttpResponseBase:
    """The recording as it will be trained on; before a check, as it was uploaded."""
    dataset = queries.find_dataset(caller(request), dataset_id)
    row = queries.find_utterance(dataset, utterance_id)
    if row.clip_key:
        return serve_object(request, row.clip_key, "audio/wav", size=row.clip_size)
    if row.source is None:
        raise NotFound("There is no recording for this row.")
    kind = AUDIO_TYPES.get(row.source.format, "application/octet-stream")
    return serve_object(request, row.source.key, kind, size=row.source.size)


@router.get("/datasets/{dataset_id}/versions", response=Page[VersionOut])
def list_versions(
    request: HttpRequest, dataset_id: UUID, limit: Limit = 100, offset: Offset = 0
) -> Any:
    """What trainings saw, newest first."""
    dataset = queries.find_dataset(caller(request), dataset_id)
    return page_of(
        request, dataset.versions.order_by("-number"), limit, offset, queries.version_out
    )
