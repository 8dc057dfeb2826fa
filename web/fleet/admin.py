"""Agents in the Django admin, to look up; the portal makes and revokes their tokens."""

from __future__ import annotations

from django.contrib import admin

from web.core.admin import ReadOnly
from web.fleet.models import Agent


@admin.register(Agent)
class AgentAdmin(ReadOnly):
    list_display = ["name", "host", "last_seen", "draining", "revoked"]
    exclude = ["token_digest"]
