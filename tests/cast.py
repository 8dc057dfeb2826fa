"""The cast: Alice owns Alpha, Bob edits and Victor looks there; Charlie is an outsider."""

from __future__ import annotations

from functools import cache

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from web.accounts.actions import create_token
from web.accounts.models import Membership, Role, Team, User

PASSWORD = "a flute of two voices"


@cache
def _password_hash() -> str:
    # Argon2 is slow on purpose: once a session is enough for everybody.
    return make_password(PASSWORD)


def member(name: str, team: Team | None, role: Role = Role.EDITOR, *, staff: bool = False) -> User:
    user = User.objects.create(
        username=name, password=_password_hash(), is_staff=staff, is_superuser=staff
    )
    if team is not None:
        Membership.objects.create(user=user, team=team, role=role)
    return user


def api_client(user: User) -> Client:
    """A client that sends a bearer token of the user."""
    _, token = create_token(user, "tests")
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def alpha(db: None) -> Team:
    return Team.objects.create(name="Alpha")


@pytest.fixture
def alice(alpha: Team) -> User:
    """Owner of Alpha."""
    return member("alice", alpha, Role.OWNER)


@pytest.fixture
def bob(alpha: Team) -> User:
    """Editor in Alpha."""
    return member("bob", alpha, Role.EDITOR)


@pytest.fixture
def victor(alpha: Team) -> User:
    """Viewer in Alpha."""
    return member("victor", alpha, Role.VIEWER)


@pytest.fixture
def charlie(db: None) -> User:
    """Owner of a team of his own; may see nothing of Alpha's."""
    return member("charlie", Team.objects.create(name="Charlie's"), Role.OWNER)


@pytest.fixture
def root(db: None) -> User:
    """An administrator, in no team."""
    return member("root", None, staff=True)


@pytest.fixture
def as_alice(alice: User) -> Client:
    return api_client(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return api_client(bob)


@pytest.fixture
def as_victor(victor: User) -> Client:
    return api_client(victor)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    return api_client(charlie)


@pytest.fixture
def as_root(root: User) -> Client:
    return api_client(root)


@pytest.fixture
def anonymous() -> Client:
    return Client()
