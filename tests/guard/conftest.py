"""This file is about what every guard is given."""

import pytest

from tests.guard.counting import Counter


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)
