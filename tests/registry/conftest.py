"""Fixtures: a registry, and two members who are online."""

import pytest

from tests.registry.hand import Hand
from tests.registry.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def ann(rig: Rig) -> Hand:
    return rig.member("ann")


@pytest.fixture
def bob(rig: Rig) -> Hand:
    return rig.member("bob")
