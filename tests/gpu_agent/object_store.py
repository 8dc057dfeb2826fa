"""A small object store over HTTP, which fails when told to: what presigned URLs lead to."""

from __future__ import annotations

import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class ObjectStore:
    """Objects by key. A URL works while its `sig` is not in `expired`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: Counter[str] = Counter()
        self.bytes_sent = 0
        self.expired: set[str] = set()
        self._failures: list[list[Any]] = []
        self._signatures = 0
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"store": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def presign(self, key: str, query: str = "") -> str:
        with self._lock:
            self._signatures += 1
            return f"{self.url}/{key}?sig={self._signatures}{query}"

    def fail(self, method: str, pattern: str, status: int, times: int = 1) -> None:
        """Answer the next requests that match with `status`; 0 cuts the connection half-way."""
        with self._lock:
            self._failures.append([method, pattern, status, times])

    def failure_for(self, method: str, path: str) -> int | None:
        with self._lock:
            self.requests[method] += 1
            for failure in self._failures:
                if failure[0] == method and re.search(failure[1], path) and failure[3] > 0:
                    failure[3] -= 1
                    return int(failure[2])
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ObjectStore

    def do_GET(self) -> None:
        key, _ = self._parse()
        failure = self.store.failure_for("GET", self.path)
        if self._is_expired() or failure:
            return self._answer(403 if self._is_expired() else failure or 500)
        if key not in self.store.objects:
            return self._answer(404)
        body, status = self.store.objects[key], 200
        if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            body, status = body[int(wanted[1]) :], 206
        if failure == 0:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return None
        self.store.bytes_sent += len(body)
        return self._answer(status, body)

    def do_PUT(self) -> None:
        key, query = self._parse()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.store.failure_for("PUT", self.path)
        if self._is_expired() or failure:
            return self._answer(403 if self._is_expired() else failure or 500)
        if "uploadId" in query:
            number = int(query["partNumber"][0])
            self.store.parts.setdefault(query["uploadId"][0], {})[number] = body
            return self._answer(200, etag=f'"part{number}"')
        self.store.objects[key] = body
        return self._answer(200)

    def do_POST(self) -> None:
        key, query = self._parse()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        failure = self.store.failure_for("POST", self.path)
        if failure == 200:  # S3 may fail after it has said 200
            return self._answer(200, b"<Error><Code>InternalError</Code></Error>")
        if failure:
            return self._answer(failure)
        parts = self.store.parts.pop(query["uploadId"][0], {})
        listed = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>\"part(\d+)\"</ETag>", body)
        if [int(number) for number, _ in listed] != sorted(parts):
            return self._answer(400)
        self.store.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return self._answer(200, b"<CompleteMultipartUploadResult/>")

    def _parse(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path.lstrip("/"), parse_qs(parts.query)

    def _is_expired(self) -> bool:
        return self._parse()[1].get("sig", [""])[0] in self.store.expired

    def _answer(self, status: int, body: bytes = b"", etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None
