"""Database connections outside a request, where nobody else closes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import close_old_connections, connection


@contextmanager
def own_connection() -> Iterator[None]:
    """One unit of work in this thread: a dead connection is dropped before, a used one goes
    back to the pool after."""
    close_old_connections()
    try:
        yield
    finally:
        connection.close()
