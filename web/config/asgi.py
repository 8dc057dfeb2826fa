"""The portal as an ASGI application."""

import os
import threading

import structlog
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.config.settings")
django = get_asgi_application()

from web.config.health import CHECKS  # noqa: E402
from web.core.body_limit import BodyLimit  # noqa: E402

FORM_BYTES = 1 << 20  # what a form adds to its files


def say_what_is_missing() -> None:
    """One clear line for each part that does not answer; `/readyz` turns green when it does."""
    log = structlog.get_logger(__name__)
    for name, check in CHECKS.items():
        try:
            check()
        except Exception as error:
            log.error(f"{name} does not answer; the portal waits for it", error=str(error).strip())


# Beside the start, which a hanging part must not hold up.
threading.Thread(target=say_what_is_missing, name="first look", daemon=True).start()
application = BodyLimit(django, settings.SYRINX_UPLOAD_BYTES + FORM_BYTES)
