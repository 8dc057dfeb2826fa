"""Make what a new one-machine installation needs; harmless when run again."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from web.accounts import actions as accounts
from web.accounts.models import Role, Team, User
from web.fleet import actions
from web.fleet.models import Agent

ADMIN = "admin"
TEAM = "Home"


class Command(BaseCommand):
    help = "Makes the administrator, a first team and the agents; prints one line of JSON."
    # They import every page and API: a quarter of this command's start.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--agents", type=int, default=1)
        parser.add_argument(
            "--lost",
            nargs="*",
            default=[],
            metavar="NAME",
            help="users and agents whose secret the caller never got, or lost: it is made anew",
        )

    def handle(self, *args: Any, agents: int, lost: list[str], **options: Any) -> None:
        password, token = _administrator(make_anew=ADMIN in lost)
        names = [f"agent-{number}" for number in range(1, agents + 1)]
        made = [{"name": name, "token": _agent_token(name, name in lost)} for name in names]
        answer = {"username": ADMIN, "password": password, "token": token, "agents": made}
        self.stdout.write(json.dumps(answer))


def _administrator(*, make_anew: bool) -> tuple[str | None, str | None]:
    """Password and API token; None for both where they are known."""
    user = User.objects.filter(username=ADMIN).first()
    if user is None:
        team, _ = Team.objects.get_or_create(name=TEAM)
        user, password = accounts.create_user(ADMIN, team=team, role=Role.OWNER, administrator=True)
    elif make_anew:
        password = secrets.token_urlsafe(15)
        user.set_password(password)
        user.save(update_fields=["password"])
    else:
        return None, None
    return password, accounts.create_token(user, "first start")[1]


def _agent_token(name: str, make_anew: bool) -> str | None:
    agent = Agent.objects.filter(name=name).first()
    if agent is None:
        return actions.create_agent(None, name)[1]
    return actions.renew_token(None, agent) if make_anew else None
