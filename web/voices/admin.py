"""Voices in the Django admin, to look up."""

from __future__ import annotations

from django.contrib import admin

from web.core.admin import ReadOnly
from web.voices.models import BaseVoice, Voice


@admin.register(BaseVoice)
class BaseVoiceAdmin(ReadOnly):
    list_display = ["name", "team", "language", "quality", "state", "licence", "created"]
    list_filter = ["state", "language", "team"]
    search_fields = ["name", "id"]


@admin.register(Voice)
class VoiceAdmin(ReadOnly):
    list_display = ["stem", "name", "team", "language", "quality", "created"]
    list_filter = ["language", "team"]
    search_fields = ["name", "stem", "id"]
