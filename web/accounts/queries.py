"""Who may see and do what. Every view and call asks here."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils import timezone

from web.accounts.models import ApiToken, GpuUsage, Membership, Role, Team, User
from web.core.problems import Forbidden, Invalid, NotFound

M = TypeVar("M", bound=Model)
CAN_EDIT = (Role.OWNER, Role.EDITOR)


def visible(rows: QuerySet[M], user: User | AnonymousUser, team: str = "team") -> QuerySet[M]:
    """The rows that belong to the user's teams, by the path `team`. An administrator sees all."""
    if not user.is_authenticated:
        return rows.none()
    if user.is_staff:
        return rows
    return rows.filter(**{f"{team}__memberships__user": user})


def find(rows: QuerySet[M], user: User | AnonymousUser, pk: Any, team: str = "team") -> M:
    """One visible row, or 404 whether it is missing or another team's."""
    try:
        found = visible(rows, user, team).filter(pk=pk).first()
    except (ValidationError, ValueError):  # out of a query string, and no id at all
        found = None
    if found is None:
        raise NotFound
    return found


def may_edit(user: User, team: Team | None) -> bool:
    """Whether buttons that change the team's things are shown."""
    return _has_role(user, team, CAN_EDIT)


def require_editor(user: User, team: Team | None) -> None:
    """Raise `Forbidden` unless the user may change the team's things."""
    _require(
        user,
        team,
        CAN_EDIT,
        "Viewers listen and look; ask an owner of the team to make you an editor.",
    )


def require_owner(user: User, team: Team | None) -> None:
    _require(user, team, (Role.OWNER,), "Only an owner of the team can do this.")


def _require(user: User, team: Team | None, roles: tuple[Role, ...], advice: str) -> None:
    if not _has_role(user, team, roles):
        raise Forbidden(advice, code="role")


def _has_role(user: User, team: Team | None, roles: tuple[Role, ...]) -> bool:
    """An administrator has all of them."""
    if user.is_staff:
        return True
    rows = Membership.objects.filter(user=user, team=team, role__in=roles)
    return team is not None and rows.exists()


def working_team(user: User, name: str | None = None) -> Team:
    """The team that a new object goes to: the named one, else the user's first."""
    teams = Team.objects.filter(memberships__user=user).order_by("memberships__pk")
    if name:
        team = teams.filter(name=name).first()
        if team is None:
            raise Invalid(f"You are in no team called {name!r}.", code="team")
        return team
    team = teams.first()
    if team is None:
        raise Forbidden("You are in no team yet; ask an administrator to add you.", code="no_team")
    return team


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def token_user(token: str) -> User | None:
    """The active user of a bearer token that is not revoked."""
    row = (
        ApiToken.objects.select_related("user")
        .filter(digest=digest(token), revoked__isnull=True, user__is_active=True)
        .first()
    )
    if row is None:
        return None
    now = timezone.now()
    # Once a minute is enough for a person, and spares a write on every call.
    if row.last_used is None or (now - row.last_used).total_seconds() > 60:
        ApiToken.objects.filter(pk=row.pk).update(last_used=now)
    return row.user


def month_of(moment: datetime) -> date:
    return moment.date().replace(day=1)


def gpu_seconds_used(team: Team) -> float:
    """Training seconds of this month (UTC)."""
    usage = GpuUsage.objects.filter(team=team, month=month_of(timezone.now())).first()
    return usage.seconds if usage else 0.0


def memberships(user: User) -> QuerySet[Membership]:
    """The user's teams with their roles, oldest membership first."""
    return Membership.objects.filter(user=user).select_related("team").order_by("pk")


def members(team: Team) -> QuerySet[Membership]:
    return Membership.objects.filter(team=team).select_related("user").order_by("user__username")


def tokens(user: User) -> QuerySet[ApiToken]:
    """Those that work, newest first."""
    return ApiToken.objects.filter(user=user, revoked__isnull=True)
