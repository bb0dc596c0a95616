"""Fixtures: a registry, and two members who are online."""

import pytest

from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def ann(rig: Rig) -> LinkedPeer:
    return rig.member("ann")


@pytest.fixture
def bob(rig: Rig) -> LinkedPeer:
    return rig.member("bob")
