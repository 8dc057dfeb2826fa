"""Whatever is wrong with a call, the answer is a problem document that says so."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from web.accounts import actions

TOKENS = "/api/v1/tokens"


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"] and document["detail"]
    assert "Traceback" not in answer.content.decode()
    return document


def post(client: Client, body: Any, content_type: str = "application/json") -> HttpResponse:
    return client.post(TOKENS, body, content_type=content_type)  # type: ignore[return-value]


def test_no_token_is_401_and_says_how_to_send_one(anonymous: Client, db: None) -> None:
    answer = anonymous.get(TOKENS)

    assert "Authorization: Bearer" in problem(answer, 401)["detail"]
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer  ", "Bearer nonsense", "Basic YTpi", "x" * 9000]
)
def test_a_bad_token_is_401(header: str, db: None) -> None:
    problem(Client(headers={"Authorization": header}).get(TOKENS), 401)


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1/", "/api/", "/api/v2/me", "/api/v1/me/"]
)
def test_an_unknown_address_is_404(as_alice: Client, path: str) -> None:
    problem(as_alice.get(path), 404)


@pytest.mark.parametrize("token_id", [str(uuid.uuid4()), "7", "x", "%00", "..%2f", "null"])
def test_an_id_that_names_nothing_is_404(as_alice: Client, token_id: str) -> None:
    problem(as_alice.delete(f"{TOKENS}/{token_id}"), 404)


def test_a_wrong_method_is_405_and_says_which_are_right(as_alice: Client) -> None:
    answer = as_alice.put(TOKENS)

    problem(answer, 405)
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"name": }',
        "\xff\xfe".encode("latin-1"),
        "[" * 100_000,
        '{"name": NaN}',
        "{'name': 1}",
    ],
)
def test_malformed_json_is_400(as_alice: Client, body: Any) -> None:
    assert "not valid JSON" in problem(post(as_alice, body), 400)["detail"]


@pytest.mark.parametrize("body", ["", "[]", "null", "7", '"text"', "{}", '{"name": ["a"]}'])
def test_json_of_the_wrong_shape_is_422(as_alice: Client, body: str) -> None:
    assert problem(post(as_alice, body), 422)["errors"]


def test_another_kind_of_body_is_415(as_alice: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        problem(post(as_alice, '{"name": "a"}', kind), 415)
    problem(as_alice.post(TOKENS, {"name": "a"}), 415)  # multipart


@pytest.mark.parametrize("body", [r'{"name": "a\u0000b"}', r'{"name": "a\ud800b"}'])
def test_text_that_cannot_be_stored_is_422(as_alice: Client, body: str) -> None:
    assert problem(post(as_alice, body), 422)["code"] == "text"


def test_nul_in_a_query_is_422(as_alice: Client) -> None:
    problem(as_alice.get(TOKENS + "?limit=5%00"), 422)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "offset=-1", "offset=99999999999999"]
)
def test_a_page_outside_the_limits_is_422(as_alice: Client, query: str) -> None:
    name = query.split("=")[0]
    assert problem(as_alice.get(f"{TOKENS}?{query}"), 422)["detail"].startswith(f"{name}: ")


def test_a_huge_json_body_is_413(as_alice: Client) -> None:
    problem(post(as_alice, b'{"name": "' + b"x" * (6 * 2**20) + b'"}'), 413)


def test_a_bug_is_500_with_a_reference_that_the_logs_know(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(actions, "create_token", broken)

    answer = post(as_alice, '{"name": "a"}')

    document = problem(answer, 500)
    assert document["reference"] in document["detail"]
    assert document["reference"] == answer["X-Request-ID"]
    assert "secret" not in answer.content.decode()
    assert any(
        document["reference"] in str(record.msg) and "secret detail" in str(record.msg)
        for record in caplog.records
    )


def test_a_proxys_request_id_is_kept_and_an_odd_one_replaced(anonymous: Client, db: None) -> None:
    given = anonymous.get("/api/v1/me", headers={"X-Request-ID": "abcdef-123456"})
    odd = anonymous.get("/api/v1/me", headers={"X-Request-ID": "evil\tline"})

    assert given["X-Request-ID"] == "abcdef-123456"
    assert len(odd["X-Request-ID"]) == 32
