"""Makes a bearer token and prints it, as one line of JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from web.accounts import actions
from web.accounts.models import User
from web.core.problems import Problem


class Command(BaseCommand):
    help = "Make a bearer token of a user and print {username, name, token}; it is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True)
        parser.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user called {options['user']!r}.")
        try:
            row, token = actions.create_token(user, options["name"])
        except Problem as problem:
            raise CommandError(problem.detail) from None
        answer = {"username": user.username, "name": row.name, "token": token}
        self.stdout.write(json.dumps(answer))
