"""Lists: `{items, total, next}`"""

from __future__ import annotations

from django.test import Client

from web.accounts.models import ApiToken, User


def test_next_leads_through_the_whole_list(as_alice: Client, alice: User) -> None:
    ApiToken.objects.bulk_create(
        ApiToken(user=alice, name=str(i), prefix="syr_", digest=str(i)) for i in range(9)
    )
    seen: list[str] = []
    url: str | None = "/api/v1/tokens?limit=4&colour=red"
    pages = 0

    while url:
        page = as_alice.get(url).json()
        assert page["total"] == 10
        seen += [item["id"] for item in page["items"]]
        url = page["next"]
        pages += 1
        assert url is None or "colour=red" in url

    assert pages == 3 and len(set(seen)) == 10


def test_behind_the_end_there_is_nothing(as_alice: Client) -> None:
    page = as_alice.get("/api/v1/tokens?offset=2147483647").json()

    assert page == {"items": [], "total": 1, "next": None}
