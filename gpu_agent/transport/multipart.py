"""S3 multipart uploads through presigned URLs: PUT each part, then join them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from gpu_agent.transport.errors import StorageRefused
from gpu_agent.transport.http import Http, read_chunks
from gpu_agent.transport.messages import UploadTicket

PARALLEL_PARTS = 4


class MultipartUpload:
    """One file's upload over several tickets.

    Parts that were stored under the same upload id are not sent again when the
    URLs of a ticket ran out.
    """

    def __init__(self, http: Http, path: Path) -> None:
        self._http = http
        self._path = path
        self._upload_id = ""
        self._etags: dict[int, str] = {}
        self.parts_done = 0
        """Counts up whenever a part was stored, whatever became of it later."""

    async def run(self, ticket: UploadTicket) -> None:
        """Raises one of `http.FAILURES`."""
        size = os.stat(self._path).st_size
        if not ticket.part_urls or ticket.part_size * len(ticket.part_urls) < size:
            raise StorageRefused("the portal's upload ticket has no room for the file")
        upload_id = _upload_id(ticket.complete_url)
        if upload_id != self._upload_id or not upload_id:
            self._upload_id, self._etags = upload_id, {}
        slots = asyncio.Semaphore(PARALLEL_PARTS)
        missing = [i for i in range(len(ticket.part_urls)) if i not in self._etags]
        results = await asyncio.gather(
            *(self._put_part(slots, ticket, index, size) for index in missing),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await self._complete(ticket)

    async def _put_part(
        self, slots: asyncio.Semaphore, ticket: UploadTicket, index: int, size: int
    ) -> None:
        start = index * ticket.part_size
        length = max(0, min(ticket.part_size, size - start))
        async with slots:
            body = read_chunks(self._path, start, length)
            async with self._http.put(ticket.part_urls[index], body, length) as answer:
                etag = answer.headers.get("ETag", "")
        if answer.status != 200 or not etag:
            raise StorageRefused(f"storage answered {answer.status} to part {index + 1}")
        self._etags[index] = etag
        self.parts_done += 1

    async def _complete(self, ticket: UploadTicket) -> None:
        parts = "".join(
            f"<Part><PartNumber>{index + 1}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for index, etag in sorted(self._etags.items())
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        headers = {"Content-Type": "application/xml"}
        async with self._http.request(
            "POST", ticket.complete_url, headers=headers, body=body.encode()
        ) as answer:
            said = await answer.text()
        # S3 sends 200 before it has joined the parts; a failure is told in the body.
        if answer.status != 200 or "<Error" in said:
            # Another try under the same id would meet the same parts, or find them joined.
            self._upload_id = ""
            raise StorageRefused(f"storage answered {answer.status} to the end of the upload")


def _upload_id(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("uploadId", [""])[0]
