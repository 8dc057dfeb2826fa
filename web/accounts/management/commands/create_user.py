"""Makes a user and prints what they need to sign in, as one line of JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from web.accounts import actions
from web.accounts.models import Role
from web.core.problems import Problem


class Command(BaseCommand):
    help = "Make a user and print {url, username, password, token}."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the user signs in with")
        parser.add_argument("--team", help="made when there is no team of that name")
        parser.add_argument("--role", choices=Role.values, default=Role.EDITOR.value)
        parser.add_argument("--password-file", type=Path, help="otherwise one is generated")
        parser.add_argument("--administrator", action="store_true", help="sees and does everything")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            password = _password(options["password_file"])
            with transaction.atomic():
                team = actions.ensure_team(options["team"]) if options["team"] else None
                user, password = actions.create_user(
                    options["name"],
                    team=team,
                    role=options["role"],
                    password=password,
                    administrator=options["administrator"],
                )
                _, token = actions.create_token(user, "made with the user")
        except Problem as problem:
            raise CommandError(problem.detail) from None
        answer = {
            "url": settings.SYRINX_PUBLIC_URL,
            "username": user.username,
            "password": password,
            "token": token,
        }
        self.stdout.write(json.dumps(answer))


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The password can't be read from {path}: {error}") from None
    if not password:
        raise CommandError(f"The password file {path} is empty.")
    return password
