"""Owners take members into their team; a team always keeps an owner."""

from __future__ import annotations

import pytest

from web.accounts import actions
from web.accounts.models import Membership, Role, Team, User
from web.core.problems import Conflict, Forbidden, Invalid, NotFound


def test_an_owner_adds_a_member_and_changes_the_role(
    alice: User, alpha: Team, charlie: User
) -> None:
    actions.add_member(alice, alpha, "Charlie", Role.VIEWER)
    actions.add_member(alice, alpha, "charlie", Role.EDITOR)

    assert Membership.objects.get(team=alpha, user=charlie).role == Role.EDITOR


def test_others_may_not(bob: User, alpha: Team, alice: User, charlie: User) -> None:
    for actor in (bob, charlie):
        with pytest.raises(Forbidden):
            actions.add_member(actor, alpha, "charlie", Role.OWNER)
        with pytest.raises(Forbidden):
            actions.remove_member(actor, alpha, alice)


def test_a_member_may_leave_but_not_the_last_owner(alice: User, bob: User, alpha: Team) -> None:
    actions.remove_member(bob, alpha, bob)
    with pytest.raises(Conflict):
        actions.remove_member(alice, alpha, alice)
    with pytest.raises(Conflict):
        actions.add_member(alice, alpha, "alice", Role.EDITOR)

    assert list(Membership.objects.values_list("user__username", "role")) == [("alice", "owner")]


def test_unknown_people_and_roles_are_refused(alice: User, alpha: Team, bob: User) -> None:
    with pytest.raises(NotFound):
        actions.add_member(alice, alpha, "nobody", Role.EDITOR)
    with pytest.raises(Invalid):
        actions.add_member(alice, alpha, "bob", "king")
