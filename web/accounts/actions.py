"""What people do with accounts, teams, quotas and tokens."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from web.accounts.models import ApiToken, GpuUsage, Membership, Role, Team, User
from web.accounts.queries import digest, month_of
from web.core import audit
from web.core.problems import Invalid, QuotaExceeded

TOKEN_PREFIX = "syr_"


@transaction.atomic
def create_user(
    username: str,
    *,
    team: Team | None = None,
    role: str = Role.EDITOR,
    password: str | None = None,
    administrator: bool = False,
) -> tuple[User, str]:
    """Make a user and return it with its password, a generated one unless given."""
    if User.objects.filter(username__iexact=username).exists():
        raise Invalid(f"There is a user called {username!r} already.", code="name_taken")
    password = password or secrets.token_urlsafe(15)
    user = User(username=username, is_staff=administrator, is_superuser=administrator)
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), code="user") from None
    user.set_password(password)
    user.save()
    if team is not None:
        Membership.objects.create(user=user, team=team, role=role)
    audit.record("system", "create_user", user, team=team.name if team else None, role=role)
    return user, password


@transaction.atomic
def create_token(user: User, name: str) -> tuple[ApiToken, str]:
    """Make a bearer token; the second value is shown once and kept nowhere."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name.strip()[:60] or "token", prefix=token[:10], digest=digest(token)
    )
    audit.record(user, "create_token", row, name=row.name)
    return row, token


@transaction.atomic
def revoke_token(token: ApiToken) -> None:
    if ApiToken.objects.filter(pk=token.pk, revoked__isnull=True).update(revoked=timezone.now()):
        audit.record(token.user, "revoke_token", token, name=token.name)


def reserve_storage(team: Team, size: int) -> None:
    """Count `size` bytes against the team's quota, or raise `QuotaExceeded`.

    One conditional UPDATE, so that parallel uploads can't pass the quota together.
    """
    if size <= 0:
        return
    fits = Team.objects.filter(pk=team.pk, storage_used_bytes__lte=F("storage_quota_bytes") - size)
    if not fits.update(storage_used_bytes=F("storage_used_bytes") + size):
        team.refresh_from_db()
        left = max(0, team.storage_quota_bytes - team.storage_used_bytes)
        raise QuotaExceeded(
            f"This needs {in_words(size)} of storage, and {team.name} has {in_words(left)} left of "
            f"{in_words(team.storage_quota_bytes)}. Delete what you no longer need, or ask an "
            "administrator for more.",
            code="storage_quota",
        )


def charge_storage(team: Team, size: int) -> None:
    """Count bytes that a running job wrote, even past the quota: its work must not be lost.

    The next upload or submission is refused instead.
    """
    Team.objects.filter(pk=team.pk).update(storage_used_bytes=F("storage_used_bytes") + size)


def release_storage(team: Team, size: int) -> None:
    Team.objects.filter(pk=team.pk).update(
        storage_used_bytes=Greatest(F("storage_used_bytes") - size, 0)
    )


def charge_gpu(team: Team, seconds: float) -> None:
    """Add training time to this month's account."""
    if seconds <= 0:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {GpuUsage._meta.db_table} (team_id, month, seconds) VALUES (%s, %s, %s) "
            "ON CONFLICT (team_id, month) DO UPDATE "
            f"SET seconds = {GpuUsage._meta.db_table}.seconds + excluded.seconds",
            [team.pk, month_of(timezone.now()), seconds],
        )


def in_words(size: int) -> str:
    """Bytes as people say them."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000:
            return (
                f"{amount:.0f} {unit}"
                if amount >= 10 or unit == "bytes"
                else f"{amount:.1f} {unit}"
            )
        amount /= 1000
    return f"{amount:.1f} TB"
