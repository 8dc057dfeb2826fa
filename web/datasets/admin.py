"""Data sets in the Django admin, to look up."""

from __future__ import annotations

from django.contrib import admin

from web.core.admin import ReadOnly
from web.datasets.models import Dataset, DatasetVersion


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    list_display = ["name", "team", "language", "state", "created_by", "created"]
    list_filter = ["state", "team"]
    search_fields = ["name", "id"]


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ReadOnly):
    list_display = ["dataset", "number", "utterances", "seconds", "sha256", "created"]
    search_fields = ["dataset__name", "sha256"]
