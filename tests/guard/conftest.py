"""Fixtures of the guards."""

import pytest

from tests.guard.counting import Counter


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)
