"""Lists of the API: `{items, total, next}` with `?limit=&offset=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

T = TypeVar("T")
M = TypeVar("M", bound=Model)

MOST_ITEMS = 500

Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="Items on a page.")]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1, description="Items to skip.")]


class Page(Schema, Generic[T]):
    """A part of a list, and where the next part is."""

    items: list[T]
    total: int = Field(description="Items in the whole list.")
    next: str | None = Field(description="URL of the next page; null on the last one.")


def page_of(
    request: HttpRequest,
    queryset: QuerySet[M],
    limit: int,
    offset: int,
    serialise: Callable[[M], Any],
) -> dict[str, Any]:
    """The page that starts at `offset`. The queryset must have an order that is unique.

    A call looks like

        @router.get("", response=Page[DatasetOut])
        def list_datasets(request: HttpRequest, limit: Limit = 100, offset: Offset = 0) -> Any:
            rows = visible(Dataset.objects.all(), caller(request))
            return page_of(request, rows, limit, offset, dataset_out)
    """
    total = queryset.count()
    items = [serialise(row) for row in queryset[offset : offset + limit]]
    return {"items": items, "total": total, "next": _next(request, limit, offset, total)}


def _next(request: HttpRequest, limit: int, offset: int, total: int) -> str | None:
    if offset + limit >= total:
        return None
    # Whatever else was asked for (a filter) holds for the next page too.
    asked = [
        (name, value)
        for name, values in request.GET.lists()
        if name not in {"limit", "offset"}
        for value in values
    ]
    query = urlencode([*asked, ("limit", limit), ("offset", offset + limit)])
    return request.build_absolute_uri(f"{request.path}?{query}")
