"""`manage.py ensure_bucket`: makes the bucket of SYRINX_S3_BUCKET when it is missing."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from web.core import storage


class Command(BaseCommand):
    help = "Makes the bucket when it is missing."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        bucket = settings.SYRINX_S3_BUCKET
        try:
            if storage.is_reachable():
                self.stdout.write(f"Bucket {bucket} is there.")
                return
            storage.client().make_bucket(bucket)
            self.stdout.write(f"Made bucket {bucket}.")
        except S3Error as error:
            # Somebody may have been quicker; the bucket is only of use when it can be reached.
            if error.code == "BucketAlreadyOwnedByYou" and storage.is_reachable():
                return
            raise CommandError(
                f"The object store refused bucket {bucket}: {error.message}. Make the bucket "
                "there, or check SYRINX_S3_ACCESS_KEY, SYRINX_S3_SECRET_KEY and SYRINX_S3_BUCKET."
            ) from error
        except HTTPError as error:
            raise CommandError(
                f"The object store at {settings.SYRINX_S3_ENDPOINT} does not answer: {error}. "
                "Check SYRINX_S3_ENDPOINT and that the store is running."
            ) from error
