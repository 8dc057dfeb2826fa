"""Schemathesis makes calls out of our own OpenAPI document: none may break the portal."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pytest_django.live_server_helper import LiveServer

from web.accounts.actions import create_token
from web.accounts.models import User

EXAMPLES = 8


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_call_breaks_the_portal(
    live_server: LiveServer, alphas_things: dict[str, Any], root: User
) -> None:
    """As an administrator, on things that are there: else all would end at 403 and 404."""
    _, token = create_token(root, "fuzz")
    tried: set[int] = set()
    schema = schemathesis.openapi.from_url(f"{live_server.url}/api/v1/openapi.json")
    faults: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.endswith("/events"):
            continue  # streams, which do not end

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def call(case: schemathesis.Case) -> None:
            # Seldom guessed: three in four name what is there.
            if case.path_parameters and crc32(repr(case.body).encode()) % 4:
                case.path_parameters.update(
                    {k: str(v) for k, v in alphas_things.items() if k in case.path_parameters}
                )
            answer = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=20)
            tried.add(answer.status_code)
            said = f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text[:300]}"
            if answer.status_code >= 500 or "Traceback" in answer.text:
                faults.append(said)
            elif answer.status_code >= 400:
                kind = answer.headers["content-type"][0]
                if kind != "application/problem+json" or not answer.json().get("detail"):
                    faults.append(said)

        call()
    assert not faults, "\n".join(faults)
    assert {200, 201, 204, 404, 422} <= tried
