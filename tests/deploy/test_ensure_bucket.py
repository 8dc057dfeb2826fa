"""The last step of the migrations Job, against real object storage."""

from __future__ import annotations

import io
from types import ModuleType

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings


def run() -> str:
    said = io.StringIO()
    call_command("ensure_bucket", stdout=said)
    return said.getvalue()


def test_it_makes_a_missing_bucket_once(s3: ModuleType) -> None:
    with override_settings(SYRINX_S3_BUCKET="made-by-a-test"):
        assert run() == "Made bucket made-by-a-test.\n"
        assert run() == "Bucket made-by-a-test is there.\n"
        s3.put("a", io.BytesIO(b"1"), 1)
        s3.delete(["a"])
        s3.client().remove_bucket("made-by-a-test")


def test_it_says_when_the_store_does_not_answer(
    s3: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib3
    from minio import Minio

    away = Minio(
        "127.0.0.1:1",
        "key",
        "secret",
        secure=False,
        region="us-east-1",
        http_client=urllib3.PoolManager(retries=False),
    )
    monkeypatch.setattr(s3, "client", lambda: away)
    with pytest.raises(CommandError, match="does not answer"):
        run()
