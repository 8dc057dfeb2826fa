"""People, teams, quotas and tokens in the Django admin."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from web.accounts import actions
from web.accounts.models import GB, ApiToken, Membership, Team, User
from web.accounts.queries import gpu_seconds_used
from web.core.admin import Audited, ReadOnly
from web.core.words import in_words

if TYPE_CHECKING:
    Inline = admin.TabularInline[Membership, Any]
    Form = forms.ModelForm[Team]
    DjangoUserAdmin = UserAdmin[User]
else:  # not generic where the program runs
    Inline, Form, DjangoUserAdmin = admin.TabularInline, forms.ModelForm, UserAdmin

# Roles do what groups would; nobody signs in by e-mail.
for unused in (Group, EmailAddress):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)


class Memberships(Inline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user", "team"]


class TeamForm(Form):
    storage_gigabytes = forms.DecimalField(
        label="Storage quota (GB)", min_value=0, max_value=10**6, decimal_places=3, initial=50
    )

    class Meta:
        model = Team
        fields = ["name", "storage_gigabytes", "gpu_minutes_quota", "jobs_quota"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding:
            gigabytes = Decimal(self.instance.storage_quota_bytes) / GB
            self.initial["storage_gigabytes"] = f"{gigabytes:.3f}".rstrip("0").rstrip(".")

    def save(self, commit: bool = True) -> Team:
        self.instance.storage_quota_bytes = int(self.cleaned_data["storage_gigabytes"] * GB)
        return super().save(commit)


@admin.register(Team)
class TeamAdmin(Audited):
    form = TeamForm
    fields = [*TeamForm.Meta.fields, "storage", "gpu_minutes"]
    readonly_fields = ["storage", "gpu_minutes"]
    list_display = ["name", "storage", "gpu_minutes", "jobs_quota"]
    search_fields = ["name"]
    inlines = [Memberships]

    @admin.display(description="Storage")
    def storage(self, team: Team) -> str:
        used, quota = team.storage_used_bytes, team.storage_quota_bytes
        return f"{in_words(used)} of {in_words(quota)} used"

    @admin.display(description="GPU minutes this month")
    def gpu_minutes(self, team: Team) -> str:
        return f"{gpu_seconds_used(team) / 60:.0f} of {team.gpu_minutes_quota} used"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its recordings and voices would stay behind in object storage


@admin.register(User)
class PeopleAdmin(Audited, DjangoUserAdmin):
    """`is_staff` alone marks an administrator; Django's own permissions follow it."""

    list_display = ["username", "first_name", "last_name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_staff", "is_active", "memberships__team"]
    inlines = [Memberships]
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("is_active", "is_staff")}),
        ("Known", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ["last_login", "date_joined"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.is_superuser = obj.is_staff
        super().save_model(request, obj, form, change)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly):
    list_display = ["name", "user", "prefix", "created", "last_used", "revoked"]
    exclude = ["digest"]
    list_filter = ["revoked"]
    search_fields = ["name", "user__username", "prefix"]
    actions = ["revoke"]

    @admin.action(description="Revoke the chosen tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            actions.revoke_token(token, request.user)
