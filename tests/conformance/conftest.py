"""Fixtures: our peer, and an independent program that it knows."""

import pytest

from tests.conformance.ours import Ours
from tests.conformance.stranger import Stranger


@pytest.fixture
def bob() -> Stranger:
    return Stranger("bob", 0x11)


@pytest.fixture
def ours(bob: Stranger) -> Ours:
    return Ours(bob)
