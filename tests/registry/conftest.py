"""Fixtures: a registry, two members who are online, and a server for clusters."""

from collections.abc import Iterator

import pytest

from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.nats_server import NatsServer, remove, single


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A nats-server for all tests of this process. Each takes a cluster name of its own."""
    server = single(tmp_path_factory.mktemp("nats"))
    yield server
    remove(server)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def ann(rig: Rig) -> LinkedPeer:
    return rig.member("ann")


@pytest.fixture
def bob(rig: Rig) -> LinkedPeer:
    return rig.member("bob")
