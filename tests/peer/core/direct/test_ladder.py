"""The ladder: which path a message takes next."""

from collections.abc import Callable

import pytest

from chatapp.peer.api.events import Event, MessageState, Unacknowledged
from chatapp.peer.core.contacts import RELAY_STICKS_FOR
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.conversation import DeliveryPath
from chatapp.peer.core.records import StoredOutgoing, StoredStream
from tests.peer.core.cast import POLICY
from tests.peer.core.ladder_driver import (
    LadderDriver,
    acked,
    alone,
    away,
    comes,
    found,
    goes,
    lost,
    offline,
    refused,
    relay_fails,
    relayed_ack,
    relaying,
    saved,
    seeking,
    sought,
    tried,
    up,
)

Way = tuple[
    Callable[[], LadderDriver],
    list[Callable[[LadderDriver], object]],
    DeliveryPath,
    list[type[Event] | MessageState],
]


WAYS: dict[str, Way] = {
    "straight": (up, [acked], DeliveryPath.WAITING, [MessageState.DELIVERED]),
    "under way": (up, [], DeliveryPath.STRAIGHT, []),
    "relayed after five tries": (up, [tried], DeliveryPath.RELAYED, []),
    "delivered through the server": (
        up,
        [tried, relayed_ack],
        DeliveryPath.WAITING,
        [MessageState.DELIVERED],
    ),
    "mail after both": (up, [tried, relaying], DeliveryPath.MAIL, [Unacknowledged]),
    "saved": (
        up,
        [tried, relaying, saved],
        DeliveryPath.WAITING,
        [Unacknowledged, MessageState.SAVED],
    ),
    "mail when nobody can relay": (up, [tried, relay_fails], DeliveryPath.MAIL, [Unacknowledged]),
    "mail at once to one who is away": (away, [], DeliveryPath.MAIL, [Unacknowledged]),
    "mail at once when they go": (up, [goes], DeliveryPath.MAIL, [Unacknowledged]),
    "refused": (away, [refused], DeliveryPath.WAITING, [Unacknowledged, MessageState.REFUSED]),
    "kept after five tries": (alone, [tried], DeliveryPath.WAITING, [MessageState.KEPT]),
    "straight without a registry": (alone, [acked], DeliveryPath.WAITING, [MessageState.DELIVERED]),
    "kept when the registry is lost in between": (
        seeking,
        [tried, lost],
        DeliveryPath.WAITING,
        [MessageState.KEPT],
    ),
    "not kept as long as it is sought": (seeking, [tried], DeliveryPath.WAITING, []),
    "straight anew when it is found": (seeking, [tried, found], DeliveryPath.STRAIGHT, []),
    "kept is mail when the registry is back": (
        alone,
        [tried, goes, found],
        DeliveryPath.MAIL,
        [MessageState.KEPT, Unacknowledged],
    ),
    "kept is tried when the registry is back": (
        alone,
        [tried, found],
        DeliveryPath.STRAIGHT,
        [MessageState.KEPT],
    ),
    "kept is tried when they come": (
        alone,
        [tried, comes],
        DeliveryPath.STRAIGHT,
        [MessageState.KEPT],
    ),
    "link lost while the letter is deposited": (
        away,
        [sought],
        DeliveryPath.STRAIGHT,
        [Unacknowledged],
    ),
    "and then mail again": (
        away,
        [sought, found],
        DeliveryPath.MAIL,
        [Unacknowledged, Unacknowledged],
    ),
    "nothing while we are offline": (up, [offline], DeliveryPath.WAITING, []),
    "on again when we are back": (up, [offline, sought], DeliveryPath.STRAIGHT, []),
}


@pytest.mark.parametrize("name", WAYS)
def test_way(name: str) -> None:
    begin, happens, path, told = WAYS[name]
    driver = begin()
    message = driver.say()
    for happen in happens:
        happen(driver)
    assert message.path is path
    assert driver.told() == told


def test_what_could_not_go_straight_lately_goes_both_ways_at_once() -> None:
    """Clause 6.8: for a minute, then straight again."""
    driver = LadderDriver()
    first = driver.say()
    driver.pass_time(POLICY.give_up_after)
    driver.acks(first, through_server=True)
    assert driver.say().path is DeliveryPath.RELAYED
    relay_fails(driver)
    assert driver.say().path is DeliveryPath.STRAIGHT
    driver.bob.relay_until = driver.now + RELAY_STICKS_FOR
    driver.now += RELAY_STICKS_FOR
    assert driver.say().path is DeliveryPath.STRAIGHT


def test_kept_messages_of_an_earlier_life_go_out_in_order() -> None:
    texts = [StoredOutgoing(number, 0, "hi", MessageState.KEPT) for number in (5, 6)]
    driver = LadderDriver(
        RegistryReach.SEEKING, stored=StoredStream(last_sent=6, outgoing=tuple(texts))
    )
    assert driver.sent() == []
    found(driver)
    assert driver.sent() == [5, 6]
