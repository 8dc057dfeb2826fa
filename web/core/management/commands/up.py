"""`manage.py up`, so that `manage.py help` lists it; `manage.py` itself runs it without Django."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from web.core.embedded import up


class Command(BaseCommand):
    help = "Run the whole portal on this machine, with its servers, in one directory."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        up.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(up.up(argparse.Namespace(**options)))
