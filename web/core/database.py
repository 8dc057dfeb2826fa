"""Connections to Postgres beside Django's own."""

from __future__ import annotations

from typing import Any

from django.db import connection

# Of Django's dealings with psycopg; the rest is for libpq, such as `sslmode` out of the URL.
DJANGOS = {"context", "cursor_factory", "prepare_threshold"}


def own_parameters() -> dict[str, Any]:
    """What a connection outside of the pool needs to reach the same database."""
    parameters = connection.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in DJANGOS}
