"""JSON bodies of the API, refused where Postgres could not store what they say."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser

from web.core.problems import Invalid, Problem, UnsupportedMedia


class JsonBody(Parser):
    """Raises a `Problem` that names the fault; ninja hands it on as the cause of its own error."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type and not _is_json(request.content_type):
            raise UnsupportedMedia(
                f"The body must be JSON (Content-Type: application/json), not "
                f"{request.content_type[:60]}.",
                code="media_type",
            )
        try:
            value = json.loads(request.body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Problem(f"The body is not valid JSON: {error}.", code="json") from None
        require_storable(value)
        return value

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        for name, values in data.lists():
            require_storable([name, *(value for value in values if isinstance(value, str))])
        return super().parse_querydict(data, list_fields, request)


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def require_storable(value: Any) -> None:
    """Refuse text that Postgres can't hold (NUL) or UTF-8 can't say (half a surrogate pair)."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise Invalid("A text in the request contains a NUL character.", code="text")
            if any("\ud800" <= letter <= "\udfff" for letter in item):
                raise Invalid("A text in the request is not valid Unicode.", code="text")
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
