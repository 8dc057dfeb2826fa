"""What the Django admin of every app shares, and the audit trail in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest

from web.core import audit
from web.core.models import AuditEntry

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:  # not generic where the program runs
    ModelAdmin = admin.ModelAdmin

admin.site.site_title = admin.site.site_header = "Syrinx administration"
admin.site.index_title = "People, teams and quotas"


class ReadOnly(ModelAdmin):
    """To look things up. What changes them is in the portal, where it has its checks."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Audited(ModelAdmin):
    """Writes each change to the audit trail too."""

    def save_model(
        self, request: HttpRequest, obj: models.Model, form: ModelForm[Any], change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        verb = f"{'change' if change else 'create'}_{obj._meta.model_name}"
        values = {
            name: str(form.cleaned_data[name])
            for name in form.changed_data
            if name in form.cleaned_data and "password" not in name
        }
        audit.record(request.user, verb, obj, **values)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        audit.record(request.user, f"delete_{obj._meta.model_name}", obj, name=str(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["at", "actor", "verb", "object_type", "object_id", "detail"]
    list_filter = ["verb", "object_type"]
    search_fields = ["actor", "object_id"]
    date_hierarchy = "at"
