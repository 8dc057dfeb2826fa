"""Every route of the API and every page, asked by an outsider and by nobody.

The routes are found, not listed: a new one is tested as soon as it exists. One whose path has a
parameter that is not known here fails, until `alphas_things` says what of team Alpha it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from web.accounts.models import User
from web.config.api import api
from web.datasets.models import Dataset, SourceFile, Utterance
from web.fleet.models import Agent
from web.jobs.models import Job
from web.voices.models import BaseVoice, Voice

PARAMETER = re.compile(r"[{<](?:\w+:)?(\w+)[}>]")
# Sign-in and administration are other people's code, with tests of their own.
NOT_OURS = ("accounts/", "admin/", "api/")
OPEN = {"/favicon.ico", "/healthz", "/readyz", "/metrics"}
# Bodies that are right but for whose they name, so that nothing but the object is refused.
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /api/v1/datasets/{dataset_id}": {"name": "Mine now"},
    "PATCH /api/v1/datasets/{dataset_id}/utterances/{utterance_id}": {"text": "Mine now."},
    "PATCH /api/v1/voices/{voice_id}": {"name": "Mine now"},
    "POST /api/v1/voices/{voice_id}/speak": {"text": "Mine now."},
    "POST /api/v1/jobs/{job_id}/move": {},
    "POST /api/v1/agents/{agent_id}/drain": {"on": True},
}
UPLOADS = {"POST /api/v1/datasets/{dataset_id}/files": "files"}


def api_routes() -> list[str]:
    paths = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
    return sorted(f"{method.upper()} {path}" for path, calls in paths.items() for method in calls)


def page_routes() -> list[str]:
    return sorted({f"/{route}" for route in _walk(get_resolver().url_patterns)} - OPEN)


def _walk(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> Iterable[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith(NOT_OURS):
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route


# The verbs of pages whose address ends in one.
VERBS = {
    "jobs": ["cancel", "finish-now", "resume", "retry", "delete"],
    "fleet": ["revoke", "drain"],
}


def filled(path: str, things: dict[str, Any]) -> list[str]:
    """The path with Alpha's ids in it. Pages say `pk`: the word before it says of what."""
    found = path
    for match in PARAMETER.finditer(path):
        name = match[1]
        if name == "pk":
            name = path[: match.start()].rstrip("/").rsplit("/", 1)[-1]
        if name == "verb":
            continue
        assert name in things, f"say in alphas_things what {name!r} of {path} is"
        found = found.replace(match[0], str(things[name]))
    verb = re.search(r"<\w+:verb>", found)
    if verb is None:
        return [found]
    return [found.replace(verb[0], each) for each in VERBS[path.strip("/").split("/", 1)[0]]]


def call(client: Client, route: str, path: str) -> Any:
    method = route.split()[0]
    if route in UPLOADS:
        return client.post(path, {UPLOADS[route]: SimpleUploadedFile("a.wav", b"RIFF")})
    return client.generic(
        method,
        path,
        json.dumps(BODIES[route]) if route in BODIES else "",
        content_type="application/json",
    )


@pytest.mark.parametrize("route", [r for r in api_routes() if "{" in r])
def test_an_outsider_gets_404_through_the_api(
    route: str, alphas_things: dict[str, Any], as_charlie: Client
) -> None:
    [path] = filled(route.split()[1], alphas_things)
    before = snapshot()

    answer = call(as_charlie, route, path)

    assert answer.status_code == 404, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert snapshot() == before


@pytest.mark.parametrize("route", [r for r in api_routes() if "{" in r and r.startswith("GET")])
def test_an_owner_does_see_them(
    route: str, alphas_things: dict[str, Any], as_alice: Client
) -> None:
    """Otherwise the test above would prove nothing."""
    if route.endswith("/events"):
        pytest.skip("a stream that does not end; tested with the events")
    [path] = filled(route.split()[1], alphas_things)

    assert call(as_alice, route, path).status_code != 404, route


@pytest.mark.parametrize("route", api_routes())
def test_nobody_gets_401_through_the_api(
    route: str, alphas_things: dict[str, Any], anonymous: Client
) -> None:
    [path] = filled(route.split()[1], alphas_things)

    answer = call(anonymous, route, path)

    assert answer.status_code == 401, answer.content


@pytest.mark.parametrize("route", [r for r in api_routes() if "{" not in r and r.startswith("GET")])
def test_lists_show_an_outsider_nothing(
    route: str, alphas_things: dict[str, Any], as_charlie: Client
) -> None:
    if route == "GET /api/v1/events":
        pytest.skip("a stream that does not end; tested with the events")
    answer = as_charlie.get(route.split()[1])

    assert answer.status_code in {200, 404}
    for thing in alphas_things.values():
        if isinstance(thing, UUID):
            assert str(thing) not in answer.content.decode()


@pytest.mark.parametrize("route", [r for r in page_routes() if "<" in r])
def test_an_outsider_gets_404_on_pages(
    route: str, alphas_things: dict[str, Any], charlie: User
) -> None:
    client = Client()
    client.force_login(charlie)
    before = snapshot()
    for path in filled(route, alphas_things):
        answers = [client.get(path), client.post(path)]
        # 405 for the one of the two that the page does not have.
        assert sorted(a.status_code for a in answers) in ([404, 404], [404, 405]), path
        for answer in answers:
            assert_tells_nothing(answer, alphas_things, path)
    assert snapshot() == before


@pytest.mark.parametrize("route", page_routes())
def test_nobody_is_sent_to_the_sign_in_from_pages(
    route: str, alphas_things: dict[str, Any], anonymous: Client
) -> None:
    for path in filled(route, alphas_things):
        answer = anonymous.get(path)

        assert answer.status_code == 302, (path, answer.content)
        assert answer["Location"].startswith("/accounts/login/")


def assert_tells_nothing(answer: HttpResponse, things: dict[str, Any], path: str) -> None:
    for thing in things.values():
        if isinstance(thing, UUID) and str(thing) not in path:
            assert str(thing) not in answer.content.decode()


def snapshot() -> list[Any]:
    """All that the outsider could have changed."""
    kinds = (Dataset, SourceFile, Utterance, Voice, BaseVoice, Job, Agent)
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]
