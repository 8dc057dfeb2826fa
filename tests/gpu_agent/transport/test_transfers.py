"""Files to and from storage, when storage fails and URLs run out."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gpu_agent.transport.errors import SourceCorrupt, SourceMissing, TransferFailed
from gpu_agent.transport.messages import RemoteFile, UploadTicket
from gpu_agent.transport.transfers import Transfers
from tests.gpu_agent.object_store import ObjectStore

BODY = os.urandom(700_000)


def described(body: bytes, name: str = "a.wav") -> RemoteFile:
    return RemoteFile(name, len(body), hashlib.sha256(body).hexdigest())


def run(work: Callable[[Transfers], Awaitable[None]], patience: float = 10.0) -> None:
    async def all_of_it() -> None:
        transfers = Transfers(patience=patience)
        try:
            await work(transfers)
        finally:
            await transfers.close()

    asyncio.run(all_of_it())


def get(store: ObjectStore, target: Path, file: RemoteFile, patience: float = 10.0) -> int:
    """Downloads `a.wav`; returns how many URLs it took."""
    asked = 0

    async def url() -> str:
        nonlocal asked
        asked += 1
        return store.presign("a.wav")

    run(lambda transfers: transfers.download(file, target, url), patience)
    return asked


def test_a_download_appears_whole(store: ObjectStore, tmp_path: Path) -> None:
    store.objects["a.wav"] = BODY
    get(store, tmp_path / "a", described(BODY))
    assert (tmp_path / "a").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["a"]


def test_an_empty_object_is_a_file_too(store: ObjectStore, tmp_path: Path) -> None:
    store.objects["a.wav"] = b""
    get(store, tmp_path / "a", described(b""))
    assert (tmp_path / "a").read_bytes() == b""


def test_a_cut_download_goes_on_where_it_stopped(store: ObjectStore, tmp_path: Path) -> None:
    store.objects["a.wav"] = BODY
    store.fail("GET", "a.wav", 0)
    assert get(store, tmp_path / "a", described(BODY)) == 2
    assert (tmp_path / "a").read_bytes() == BODY
    assert store.bytes_sent <= len(BODY) // 2 + 1, "the first half is not sent again"


def test_an_expired_url_is_replaced(store: ObjectStore, tmp_path: Path) -> None:
    store.objects["a.wav"] = BODY
    store.expired.add("1")
    assert get(store, tmp_path / "a", described(BODY)) == 2


def test_a_leftover_of_another_file_is_not_taken_for_a_beginning(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.objects["a.wav"] = BODY
    (tmp_path / "a.part").write_bytes(b"left over")
    get(store, tmp_path / "a", described(BODY))
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_corrupt_object_never_appears(store: ObjectStore, tmp_path: Path) -> None:
    store.objects["a.wav"] = BODY[:-1] + b"?"
    with pytest.raises(SourceCorrupt):
        get(store, tmp_path / "a", described(BODY))
    assert os.listdir(tmp_path) == []


def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"a\.wav"):
        get(store, tmp_path / "a", described(BODY))


def test_it_gives_up_when_nothing_moves(store: ObjectStore, tmp_path: Path) -> None:
    store.fail("GET", "a.wav", 503, times=1000)
    with pytest.raises(TransferFailed, match="503"):
        get(store, tmp_path / "a", described(BODY), patience=0.5)


def put(store: ObjectStore, path: Path, part_size: int = 0, upload_ids: str = "same") -> int:
    """Uploads to `out`; returns how many tickets it took."""
    asked = 0

    async def ticket() -> UploadTicket:
        nonlocal asked
        asked += 1
        if not part_size:
            return UploadTicket("out", url=store.presign("out"))
        identity = f"&uploadId={upload_ids}{asked if upload_ids == 'new' else ''}"
        count = -(-len(BODY) // part_size)
        return UploadTicket(
            "out",
            part_size=part_size,
            part_urls=tuple(
                store.presign("out", f"&partNumber={number + 1}{identity}")
                for number in range(count)
            ),
            complete_url=store.presign("out", identity),
        )

    run(lambda transfers: transfers.upload(path, "out", ticket))
    return asked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    return path


def test_an_upload_is_repeated_after_an_error(store: ObjectStore, file: Path) -> None:
    store.fail("PUT", "out", 500, times=2)
    assert put(store, file) == 3
    assert store.objects["out"] == BODY


def test_an_upload_asks_for_a_new_url_when_the_old_ran_out(store: ObjectStore, file: Path) -> None:
    store.expired.add("1")
    assert put(store, file) == 2
    assert store.objects["out"] == BODY


def test_parts_are_joined_in_order(store: ObjectStore, file: Path) -> None:
    assert put(store, file, part_size=100_001) == 1
    assert store.objects["out"] == BODY


def test_a_failed_part_is_sent_again_and_the_others_are_not(store: ObjectStore, file: Path) -> None:
    store.fail("PUT", "partNumber=3", 500)
    assert put(store, file, part_size=100_000) == 2
    assert store.objects["out"] == BODY
    assert store.requests["PUT"] == 7 + 1


def test_under_a_new_upload_id_all_parts_are_sent_again(store: ObjectStore, file: Path) -> None:
    store.fail("PUT", "partNumber=3", 403)
    assert put(store, file, part_size=100_000, upload_ids="new") == 2
    assert store.objects["out"] == BODY
    assert store.requests["PUT"] == 2 * 7


def test_a_failure_told_after_status_200_is_seen(store: ObjectStore, file: Path) -> None:
    store.fail("POST", "uploadId", 200)
    put(store, file, part_size=400_000, upload_ids="new")
    assert store.objects["out"] == BODY


def test_thousands_of_small_files_are_quick(store: ObjectStore, tmp_path: Path) -> None:
    count = 500
    body = b"x" * 2000
    for number in range(count):
        store.objects[str(number)] = body

    async def fetch_all(transfers: Transfers) -> None:
        async def one(number: int) -> None:
            async def url() -> str:
                return store.presign(str(number))

            await transfers.download(described(body), tmp_path / str(number), url)

        await asyncio.gather(*(one(number) for number in range(count)))

    began = time.monotonic()
    run(fetch_all)
    assert len(os.listdir(tmp_path)) == count
    assert time.monotonic() - began < 10
