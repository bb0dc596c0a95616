"""What every guard is given."""

import pytest

from tests.guard.counting import Counter


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)
