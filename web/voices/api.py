"""Voices and base voices: list, fetch, listen, speak."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Router, Schema, Status
from pydantic import Field

from web.accounts.api_auth import caller
from web.accounts.queries import find, visible
from web.core.downloads import serve_object
from web.core.paging import Limit, Offset, Page, page_of
from web.core.problems import NotFound
from web.voices import actions, queries, speech
from web.voices.models import Voice

router = Router(tags=["voices"])
LONGEST_TEXT = 1000
CONTENT_TYPES = {
    "wav": "audio/wav",
    "json": "application/json",
    "zip": "application/zip",
    "onnx": "application/octet-stream",
}


class SpeakIn(Schema):
    text: str = Field(max_length=LONGEST_TEXT)
    speaker: Annotated[int | None, Field(ge=0)] = None
    length_scale: Annotated[
        float | None, Field(ge=0.25, le=4, description="Above 1 is slower.")
    ] = None
    noise_scale: Annotated[float | None, Field(ge=0, le=2, description="Expressiveness.")] = None
    noise_w_scale: Annotated[
        float | None, Field(ge=0, le=2, description="Variation of rhythm.")
    ] = None


class VoiceChange(Schema):
    name: str = Field(min_length=1, max_length=80)


def _voice(request: HttpRequest, voice_id: UUID) -> Voice:
    return find(Voice.objects.select_related("team"), caller(request), voice_id)


@router.get("/voices", response=Page[dict[str, Any]])
def list_voices(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Any:
    """Newest first."""
    rows = visible(Voice.objects.prefetch_related("files"), caller(request))
    return page_of(request, rows.order_by("-created", "pk"), limit, offset, queries.voice_out)


@router.get("/voices/{voice_id}", response=dict[str, Any])
def get_voice(request: HttpRequest, voice_id: UUID) -> Any:
    """The voice, its lineage, its files with sha256."""
    return queries.voice_out(_voice(request, voice_id))


@router.patch("/voices/{voice_id}", response=dict[str, Any])
def rename_voice(request: HttpRequest, voice_id: UUID, payload: VoiceChange) -> Any:
    voice = _voice(request, voice_id)
    actions.rename_voice(caller(request), voice, payload.name)
    return queries.voice_out(voice)


@router.delete("/voices/{voice_id}", response={204: None})
def delete_voice(request: HttpRequest, voice_id: UUID) -> Any:
    actions.delete_voice(caller(request), _voice(request, voice_id))
    return Status(204, None)


@router.get("/voices/{voice_id}/bundle", response={200: None})
def bundle(request: HttpRequest, voice_id: UUID) -> HttpResponseBase:
    """The voice as one zip."""
    voice = _voice(request, voice_id)
    file = queries.file_of(voice, "bundle")
    return serve_object(request, file.key, "application/zip", f"{voice.stem}.zip", file.size)


@router.get("/voices/{voice_id}/files/{path:name}", response={200: None})
def voice_file(request: HttpRequest, voice_id: UUID, name: str) -> HttpResponseBase:
    """One file of the voice."""
    file = _voice(request, voice_id).files.filter(name=name).first()
    if file is None:
        raise NotFound
    suffix = name.rpartition(".")[2]
    content_type = CONTENT_TYPES.get(suffix, "text/plain; charset=utf-8")
    # A sample is for the player on the page; everything else is for keeping.
    saved_as = "" if suffix == "wav" else name.rpartition("/")[2]
    return serve_object(request, file.key, content_type, saved_as, file.size)


@router.post("/voices/{voice_id}/speak", response={200: None})
def speak(request: HttpRequest, voice_id: UUID, payload: SpeakIn) -> HttpResponse:
    """Say something: `audio/wav`."""
    voice = _voice(request, voice_id)
    manner = speech.Manner(**payload.dict(exclude={"text"}))
    return HttpResponse(speech.speak(voice, payload.text, manner), content_type="audio/wav")


@router.get("/base-voices", response=Page[dict[str, Any]])
def list_base_voices(request: HttpRequest, limit: Limit = 50, offset: Offset = 0) -> Any:
    """The catalogue: the teams' own and those that are there for all."""
    rows = queries.base_voices(caller(request))
    return page_of(request, rows, limit, offset, queries.base_voice_out)


@router.get("/base-voices/{base_voice_id}", response=dict[str, Any])
def get_base_voice(request: HttpRequest, base_voice_id: UUID) -> Any:
    return queries.base_voice_out(queries.find_base(caller(request), base_voice_id))


@router.get("/base-voices/{base_voice_id}/sample", response={200: None})
def base_voice_sample(request: HttpRequest, base_voice_id: UUID) -> HttpResponseBase:
    """`audio/wav`"""
    base = queries.find_base(caller(request), base_voice_id)
    if not base.sample_key:
        raise NotFound
    return serve_object(request, base.sample_key, "audio/wav")


@router.delete("/base-voices/{base_voice_id}", response={204: None})
def delete_base_voice(request: HttpRequest, base_voice_id: UUID) -> Any:
    user = caller(request)
    actions.delete_base_voice(user, queries.find_base(user, base_voice_id))
    return Status(204, None)
