"""Fails when a model has changed and no migration says so. Needs no database."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "web.config.settings_for_tools"
    import django
    from django.core.management import call_command

    django.setup()
    # It would compare with the history of a database; the files alone are meant here.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration")
    try:
        call_command("makemigrations", "--check", "--dry-run")
    except SystemExit as end:
        if end.code:
            print("Models have changed: run `python manage.py makemigrations` and name the result.")
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
