from __future__ import annotations

import pytest

from web.accounts.models import Team, User
from web.datasets.actions import create_dataset
from web.datasets.models import Dataset


@pytest.fixture
def dataset(alice: User, alpha: Team) -> Dataset:
    """An empty one of Alpha's."""
    return create_dataset(alice, alpha, "Ada", "en-us")
