"""A registry that answers by UDP but not by TCP: what is reported, and when."""

import pytest

from chatapp.peer.api.events import LinkTrouble, LinkTroubled, ServerLost
from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import Ping, Pong
from tests.peer.core.cast import Someone
from tests.peer.core.core_driver import CoreDriver

BOB = Someone("bob")


def troubles(node: CoreDriver) -> list[LinkTrouble]:
    """Drained."""
    return [event.trouble for event in node.saw() if isinstance(event, LinkTroubled)]


def answer_by_udp(node: CoreDriver, span: float) -> None:
    """Let time pass, and answer each Ping by UDP."""
    end = node.now + span
    while node.now < end:
        node.pass_time(0.1)
        datagrams, node.datagrams = node.datagrams, []
        for data, home in datagrams:
            if home == node.core.registry.session.address and data[0] in (
                Kind.OPENING,
                Kind.SEALED,
            ):
                for ping in node.porter.opened(data):
                    if isinstance(ping, Ping):
                        node.hears(node.porter.sealed(Pong(ping.reference, 1)))


@pytest.fixture
def node() -> CoreDriver:
    """Return Alice, welcomed, and about to connect."""
    node = CoreDriver()
    node.start()
    node.register()
    assert node.core.wants_link()
    return node


def test_a_tcp_port_that_says_nothing_is_told_within_five_seconds_and_once(
    node: CoreDriver,
) -> None:
    answer_by_udp(node, 2.9)
    assert troubles(node) == []
    answer_by_udp(node, 1.0)
    assert troubles(node) == [LinkTrouble.BLOCKED]
    answer_by_udp(node, 1.2)
    assert node.core.wants_link_closed()
    for _ in range(3):
        node.lose_link()
        node.register()
        answer_by_udp(node, 1.0)
    assert troubles(node) == []


def test_a_tcp_port_that_refuses_is_told_too(node: CoreDriver) -> None:
    node.lose_link()
    while node.now < 1_005.0:
        node.register()
        while node.now < 1_005.0 and not node.core.wants_link():
            answer_by_udp(node, 0.1)
        node.lose_link()
    assert troubles(node) == [LinkTrouble.BLOCKED]


def test_a_registry_that_says_nothing_at_all_is_lost(node: CoreDriver) -> None:
    node.pass_time(12.0)
    events = node.saw()
    assert any(isinstance(event, ServerLost) for event in events)
    assert not any(isinstance(event, LinkTroubled) for event in events)


def test_it_is_told_when_the_link_stands_after_all(node: CoreDriver) -> None:
    answer_by_udp(node, 4.0)
    node.lose_link()
    node.register()
    node.attach(BOB.row(1))
    assert troubles(node) == [LinkTrouble.BLOCKED, LinkTrouble.OVER]


def test_a_stalled_link_is_reported_and_replaced() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(1))
    for stalls in range(2):
        answer_by_udp(node, 60.0)
        assert node.core.wants_link_closed(), "the keepalive was not answered on the link"
        assert troubles(node) == ([LinkTrouble.STALLED] if not stalls else [])
        node.register()
        node.attach(BOB.row(1))


def test_a_registry_that_was_stopped_has_not_stalled_its_links() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(1))
    node.core.rooms.say_to_all("hi", now=node.now)
    node.pass_time(12.0)
    assert troubles(node) == []
    node.register()
    node.attach(BOB.row(1))
    assert troubles(node) == []
