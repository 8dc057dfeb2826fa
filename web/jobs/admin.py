"""Jobs in the Django admin, to look up; the portal cancels, retries and re-orders them."""

from __future__ import annotations

from django.contrib import admin

from web.core.admin import ReadOnly
from web.jobs.models import Attempt, Job


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ["name", "kind", "team", "state", "attempt", "agent_name", "created", "ended"]
    list_filter = ["state", "kind", "team"]
    search_fields = ["name", "id", "error_code"]


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = ["job", "number", "agent_name", "device", "started", "ended", "outcome"]
    list_filter = ["outcome", "agent_name"]
    search_fields = ["job__name", "job__id"]
