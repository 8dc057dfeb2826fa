#!/usr/bin/env python
"""Runs the portal's commands; `manage.py up` runs the portal."""

import os
import sys

# Commands that need no server: they work without any setting.
WITHOUT_SETTINGS = {"help", "check", "makemigrations", "collectstatic", "version"}


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command == "up":
        # No Django: the supervisor has to stay small, and to make the settings.
        from web.core.embedded import up

        sys.exit(up.main(sys.argv[2:]))
    asks_for_help = command.startswith("-") or "--help" in sys.argv
    needs_settings = command not in WITHOUT_SETTINGS and not asks_for_help
    has_settings = any(name.startswith("SYRINX_SECRET_KEY") for name in os.environ)
    module = "settings" if needs_settings or has_settings else "settings_for_tools"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"web.config.{module}")

    from django.core.management import execute_from_command_line

    from web.config.environment import BadEnvironment

    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        sys.exit(
            f"{error}\n"
            "To use the portal that `manage.py up` runs, take its settings first:\n"
            "  set -a; . var/env; set +a"
        )


if __name__ == "__main__":
    main()
