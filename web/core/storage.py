"""S3 object storage: streams in and out, presigned URLs, deletion.

Keys are never reused, so an object never changes once a row names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from typing import IO, BinaryIO, Protocol
from urllib.parse import urlsplit

import urllib3
from django.conf import settings
from django.db import transaction
from django.utils.http import content_disposition_header
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

PRESIGNED_LIFETIME = timedelta(minutes=15)
CHUNK_BYTES = 1 << 20
MISSING = {"NoSuchKey", "NoSuchObject"}
MULTIPART_BYTES = 64 * 2**20


class StoredObject(Protocol):
    """An object that lies in the store in full; size in bytes."""

    @property
    def key(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...


@cache
def client() -> Minio:
    """The portal's own client. The SDK is thread-safe; a process shares one."""
    return _client(settings.SYRINX_S3_ENDPOINT)


@cache
def _signer() -> Minio:
    """Signs for the address under which agents and browsers reach the store."""
    return _client(settings.SYRINX_S3_PUBLIC_ENDPOINT or settings.SYRINX_S3_ENDPOINT)


@cache
def _prober() -> Minio:
    """Gives up soon: the SDK's own time-out is five minutes, and it tries five times."""
    patience = urllib3.Timeout(connect=2, read=2)
    return _client(
        settings.SYRINX_S3_ENDPOINT, urllib3.PoolManager(timeout=patience, retries=False)
    )


def _client(endpoint: str, http: urllib3.PoolManager | None = None) -> Minio:
    parts = urlsplit(endpoint)
    return Minio(
        parts.netloc,
        access_key=settings.SYRINX_S3_ACCESS_KEY,
        secret_key=settings.SYRINX_S3_SECRET_KEY,
        secure=parts.scheme == "https",
        # Named, so that the SDK signs without asking the server for it.
        region=settings.SYRINX_S3_REGION,
        http_client=http,
    )


def put(
    key: str, data: BinaryIO, size: int, content_type: str = "application/octet-stream"
) -> None:
    """Store `size` bytes from a stream."""
    client().put_object(settings.SYRINX_S3_BUCKET, key, data, size, content_type=content_type)


def read(key: str, offset: int = 0, length: int = 0) -> Iterator[bytes]:
    """Stream an object, or `length` bytes from `offset` on, in chunks of up to 1 MiB.

    The store is asked at once, so that nothing is promised that it does not have:
    raises `FileNotFoundError`.
    """
    try:
        response = client().get_object(settings.SYRINX_S3_BUCKET, key, offset=offset, length=length)
    except S3Error as error:
        if error.code in MISSING:
            raise FileNotFoundError(key) from error
        raise
    return _chunks(response)


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK_BYTES)
    finally:
        response.close()
        response.release_conn()


def read_all(key: str, limit: int) -> bytes:
    """A small object, whole. Raises `ValueError` where it is larger than `limit` bytes."""
    found = size(key)
    if found is None or found > limit:
        raise ValueError(f"object is missing or larger than {limit} bytes")
    return b"".join(read(key))


def size(key: str) -> int | None:
    """Bytes of an object, or None where there is none."""
    try:
        found = client().stat_object(settings.SYRINX_S3_BUCKET, key).size
    except S3Error as error:
        if error.code in MISSING:
            return None
        raise
    return found or 0


def delete(keys: Iterable[str]) -> None:
    """Remove objects; those that are gone already don't matter."""
    targets = [DeleteObject(key) for key in keys if key]
    for error in client().remove_objects(settings.SYRINX_S3_BUCKET, targets):
        if error.code not in MISSING:
            raise RuntimeError(f"could not delete {error.name}: {error.message}")


def delete_after_commit(keys: Iterable[str]) -> None:
    """Remove objects when the transaction that let go of them has committed.

    A store that does not answer then leaves litter behind; the change itself stands.
    """
    gone = list(keys)
    transaction.on_commit(lambda: delete(gone), robust=True)


def presigned_get(key: str, file_name: str = "", content_type: str = "") -> str:
    """A URL that reads one object for 15 minutes; with `file_name` the browser saves it as that."""
    headers: dict[str, str | list[str] | tuple[str]] = {}
    if disposition := content_disposition_header(bool(file_name), file_name):
        headers["response-content-disposition"] = disposition
    if content_type:
        headers["response-content-type"] = content_type
    return _signer().presigned_get_object(
        settings.SYRINX_S3_BUCKET, key, PRESIGNED_LIFETIME, response_headers=headers or None
    )


def presigned_put(key: str) -> str:
    """A URL that writes one object for 15 minutes. It can be used again until it expires,
    so keys are unique and a fenced row update publishes."""
    return _signer().presigned_put_object(settings.SYRINX_S3_BUCKET, key, PRESIGNED_LIFETIME)


def start_multipart(key: str) -> str:
    """Begin a multipart upload and return its id."""
    return client()._create_multipart_upload(settings.SYRINX_S3_BUCKET, key, {})


def abort_multipart(key: str, upload_id: str) -> None:
    """Forget the parts of an upload that was never completed, if there are any."""
    try:
        client()._abort_multipart_upload(settings.SYRINX_S3_BUCKET, key, upload_id)
    except S3Error as error:
        if error.code != "NoSuchUpload":
            raise


def presigned_part(key: str, upload_id: str, number: int) -> str:
    """A URL that writes part `number` (from 1)."""
    return _signer().get_presigned_url(
        "PUT",
        settings.SYRINX_S3_BUCKET,
        key,
        PRESIGNED_LIFETIME,
        extra_query_params={"partNumber": str(number), "uploadId": upload_id},
    )


def presigned_complete(key: str, upload_id: str) -> str:
    """A URL to which the list of ETags is posted to end a multipart upload."""
    return _signer().get_presigned_url(
        "POST",
        settings.SYRINX_S3_BUCKET,
        key,
        PRESIGNED_LIFETIME,
        extra_query_params={"uploadId": upload_id},
    )


def is_reachable() -> bool:
    """Whether the bucket is there. Raises what the SDK raises when the store does not answer."""
    return _prober().bucket_exists(settings.SYRINX_S3_BUCKET)


class HashingReader:
    """Wraps a stream and hashes what is read through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, amount: int = -1) -> bytes:
        data = self._stream.read(amount)
        self._hash.update(data)
        self.count += len(data)
        return data

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
