"""`manage.py create_user` and `create_token`"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from web.accounts.models import Membership, Team, User


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(*arguments, stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


@pytest.mark.django_db
def test_a_user_is_made_with_all_that_they_need() -> None:
    made = run("create_user", "dora", "--team", "Delta", "--role", "owner")

    assert set(made) == {"url", "username", "password", "token"}
    assert made["url"] == "http://testserver" and made["username"] == "dora"
    assert Client().login(username="dora", password=made["password"])
    me = Client(headers={"Authorization": f"Bearer {made['token']}"}).get("/api/v1/me").json()
    assert [(team["name"], team["role"]) for team in me["teams"]] == [("Delta", "owner")]


def test_an_existing_team_is_joined(alpha: Team) -> None:
    run("create_user", "dora", "--team", " Alpha ")

    assert Membership.objects.get(user__username="dora").team == alpha
    assert Team.objects.count() == 1


@pytest.mark.django_db
def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a flute of two voices\n")

    made = run("create_user", "dora", "--team", "Delta", "--password-file", str(file))

    assert made["password"] == "a flute of two voices"
    assert Client().login(username="dora", password=made["password"])


def test_what_is_wrong_is_said_and_nothing_is_made(alice: User, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text(" ")
    weak = tmp_path / "weak"
    weak.write_text("12345")
    for arguments, said in (
        (["Alice"], "There is a user called 'Alice' already"),
        (["no spaces"], "valid username"),
        (["dora", "--password-file", str(tmp_path / "none")], "can't be read"),
        (["dora", "--password-file", str(empty)], "is empty"),
        (["dora", "--password-file", str(weak)], "too short"),
        (["dora", "--team", "x" * 81], "Team name"),
        (["dora", "--team", "a\0b"], "Team name"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("create_user", *arguments)
    assert User.objects.count() == 1 and Team.objects.count() == 1


def test_a_token_is_made_for_a_user(alice: User) -> None:
    made = run("create_token", "--user", "alice", "--name", "cron")

    assert made["username"] == "alice" and made["name"] == "cron"
    client = Client(headers={"Authorization": f"Bearer {made['token']}"})
    assert client.get("/api/v1/me").status_code == 200
    with pytest.raises(CommandError, match="no active user called 'nobody'"):
        call_command("create_token", "--user", "nobody")
