"""The storage quota holds in the database, whatever happens at the same time."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from web.accounts import actions
from web.accounts.models import Team
from web.core.problems import QuotaExceeded
from web.core.words import in_words


def test_what_fits_is_counted_and_more_is_refused_in_words(alpha: Team) -> None:
    alpha.storage_quota_bytes = 1_000_000
    alpha.save()
    actions.reserve_storage(alpha, 999_999)
    actions.reserve_storage(alpha, 1)

    with pytest.raises(QuotaExceeded, match=r"needs 1 bytes .* has 0 bytes left of 1.0 MB"):
        actions.reserve_storage(alpha, 1)

    actions.release_storage(alpha, 500_000)
    actions.reserve_storage(alpha, 500_000)


def test_releasing_too_much_ends_at_nothing(alpha: Team) -> None:
    actions.release_storage(alpha, 5)

    alpha.refresh_from_db()
    assert alpha.storage_used_bytes == 0


@pytest.mark.django_db(transaction=True)
def test_parallel_uploads_cannot_pass_the_quota_together() -> None:
    team = Team.objects.create(name="Alpha", storage_quota_bytes=10)
    refused = []
    together = threading.Barrier(8)

    def reserve() -> None:
        together.wait()
        try:
            actions.reserve_storage(team, 3)
        except QuotaExceeded:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    team.refresh_from_db()
    assert team.storage_used_bytes == 9 and len(refused) == 5


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 KB"),
        (50 * 10**9, "50 GB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_bytes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
