"""The public API as a user's program sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.eventually import assert_eventually

ENDED = {"succeeded", "failed", "cancelled"}


class Portal:
    """A client that raises on every refusal, with the problem's own words."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=120)

    def get(self, path: str) -> Any:
        return self._checked(self.http.get(path)).json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        answer = self._checked(self.http.post(path, json=body, **options))
        return answer.json() if answer.content else None

    def bytes(self, path: str) -> bytes:
        return self._checked(self.http.get(path, follow_redirects=True)).content

    def upload(self, dataset: str, files: list[Path]) -> Any:
        parts = [("files", (file.name, file.read_bytes())) for file in files]
        path = f"/datasets/{dataset}/files"
        return self._checked(self.http.post(path, files=parts)).json()

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/jobs/{job}")
        return found

    def wait_for(self, job: str, *states: str, timeout: float = 300) -> dict[str, Any]:
        """Wait until the job is in one of the states; ends early when it ended otherwise."""

        def there() -> bool:
            state = self.job(job)["state"]
            assert state in states or state not in ENDED, self.job(job)["error"]
            return state in states

        assert_eventually(there, timeout=timeout)
        return self.job(job)

    def ready_base(self) -> str:
        """The id of the demo's base voice, once it is imported."""

        def ready() -> bool:
            return any(base["state"] == "ready" for base in self.get("/base-voices")["items"])

        assert_eventually(ready, timeout=300)
        return next(b["id"] for b in self.get("/base-voices")["items"] if b["state"] == "ready")

    def prepared(self, name: str, files: list[Path]) -> str:
        """A new dataset with these files, checked."""
        dataset = str(self.post("/datasets", {"name": name, "language": "en-us"})["id"])
        self.upload(dataset, files)
        self.wait_for(self.post(f"/datasets/{dataset}/prepare")["job_id"], "succeeded")
        return dataset

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        assert not answer.is_error, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return answer
