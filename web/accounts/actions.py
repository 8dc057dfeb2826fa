"""What people do with accounts, teams, quotas and tokens."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from web.accounts.models import ApiToken, Membership, Role, Team, User
from web.accounts.queries import digest, month_of, require_owner
from web.core import audit
from web.core.problems import Conflict, Invalid, NotFound, QuotaExceeded
from web.core.words import in_words

TOKEN_PREFIX = "syr_"  # noqa: S105
MOST_TOKENS = 50


@transaction.atomic
def create_user(
    username: str,
    *,
    team: Team | None = None,
    role: str = Role.EDITOR,
    password: str | None = None,
    administrator: bool = False,
    actor: object = "system",
) -> tuple[User, str]:
    """Make a user and return it with its password, a generated one unless given."""
    taken = Invalid(f"There is a user called {username!r} already.", code="name_taken")
    if User.objects.filter(username__iexact=username).exists():
        raise taken
    password = password or secrets.token_urlsafe(15)
    user = User(username=username, is_staff=administrator, is_superuser=administrator)
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), code="user") from None
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # somebody else was faster
        raise taken from None
    if team is not None:
        Membership.objects.create(user=user, team=team, role=checked_role(role))
    audit.record(actor, "create_user", user, team=team.name if team else None, role=role)
    return user, password


@transaction.atomic
def ensure_team(name: str, actor: object = "system") -> Team:
    """The team of that name, made when there is none."""
    name = " ".join(name.split())
    team = Team(name=name)
    if not name.isprintable():
        raise Invalid("Team name: it contains control characters.", code="team")
    try:
        team.full_clean(validate_unique=False)
    except ValidationError as error:
        raise Invalid(f"Team name: {' '.join(error.messages)}", code="team") from None
    team, is_new = Team.objects.get_or_create(name=name)
    if is_new:
        audit.record(actor, "create_team", team, name=name)
    return team


def checked_role(role: str) -> Role:
    if role not in Role.values:
        raise Invalid(f"A role is one of {', '.join(Role.values)}, not {role!r}.", code="role")
    return Role(role)


@transaction.atomic
def add_member(actor: User, team: Team, username: str, role: str) -> Membership:
    """Take an existing user into a team, or change the role that they have there."""
    require_owner(actor, team)
    user = User.objects.filter(username__iexact=username.strip(), is_active=True).first()
    if user is None:
        raise NotFound(f"There is no user called {username!r}; an administrator can make one.")
    was_owner = _is_owner(team, user)
    row, is_new = Membership.objects.update_or_create(
        user=user, team=team, defaults={"role": checked_role(role)}
    )
    if was_owner:
        _keep_an_owner(team)
    verb = "add_member" if is_new else "change_role"
    audit.record(actor, verb, team, user=user.username, role=role)
    return row


@transaction.atomic
def remove_member(actor: User, team: Team, user: User) -> None:
    """Owners remove members; members may also leave by themselves."""
    if actor != user:
        require_owner(actor, team)
    was_owner = _is_owner(team, user)
    gone, _ = Membership.objects.filter(team=team, user=user).delete()
    if not gone:
        raise NotFound
    if was_owner:
        _keep_an_owner(team)
    audit.record(actor, "remove_member", team, user=user.username)


def _is_owner(team: Team, user: User) -> bool:
    return Membership.objects.filter(team=team, user=user, role=Role.OWNER).exists()


def _keep_an_owner(team: Team) -> None:
    # The lock keeps two owners from removing each other at the same time.
    Team.objects.select_for_update().get(pk=team.pk)
    if not Membership.objects.filter(team=team, role=Role.OWNER).exists():
        raise Conflict(
            f"{team.name} would have no owner left. Make someone else an owner first.",
            code="last_owner",
        )


@transaction.atomic
def create_token(user: User, name: str) -> tuple[ApiToken, str]:
    """Make a bearer token; the second value is shown once and kept nowhere."""
    if ApiToken.objects.filter(user=user, revoked__isnull=True).count() >= MOST_TOKENS:
        raise Conflict(
            f"You have {MOST_TOKENS} tokens. Revoke those that nothing uses any more.",
            code="too_many_tokens",
        )
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name.strip()[:60] or "token", prefix=token[:10], digest=digest(token)
    )
    audit.record(user, "create_token", row, name=row.name)
    return row, token


@transaction.atomic
def revoke_token(token: ApiToken, actor: object = None) -> None:
    """Calls with it are refused from now on. `actor`, where it is not the owner."""
    if ApiToken.objects.filter(pk=token.pk, revoked__isnull=True).update(revoked=timezone.now()):
        audit.record(actor or token.user, "revoke_token", token, name=token.name)


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
            "INSERT INTO accounts_gpuusage AS usage (team_id, month, seconds) VALUES (%s, %s, %s) "
            "ON CONFLICT (team_id, month) DO UPDATE SET seconds = usage.seconds + excluded.seconds",
            [team.pk, month_of(timezone.now()), seconds],
        )
