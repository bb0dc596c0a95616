"""This file is about the ladder: which way a message goes next, seen at its rungs."""

from collections.abc import Callable

import pytest

from peer.core.contact import RELAY_STICKS_FOR
from peer.core.conversation import Rung
from peer.core.events import Delivered, Event, Kept, Refused, Saved, Unacknowledged
from peer.core.reach import Reach
from peer.core.standing import Standing
from peer.core.stored import StoredOutgoing, StoredStream
from tests.peer.core.cast import POLICY
from tests.peer.core.stairs import (
    Stairs,
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

Way = tuple[Callable[[], Stairs], list[Callable[[Stairs], object]], Rung, list[type[Event]]]


WAYS: dict[str, Way] = {
    "straight": (up, [acked], Rung.WAITING, [Delivered]),
    "under way": (up, [], Rung.STRAIGHT, []),
    "relayed after five tries": (up, [tried], Rung.RELAYED, []),
    "delivered through the server": (up, [tried, relayed_ack], Rung.WAITING, [Delivered]),
    "mail after both": (up, [tried, relaying], Rung.MAIL, [Unacknowledged]),
    "saved": (up, [tried, relaying, saved], Rung.WAITING, [Unacknowledged, Saved]),
    "mail when nobody can relay": (up, [tried, relay_fails], Rung.MAIL, [Unacknowledged]),
    "mail at once to one who is away": (away, [], Rung.MAIL, [Unacknowledged]),
    "mail at once when they go": (up, [goes], Rung.MAIL, [Unacknowledged]),
    "refused": (away, [refused], Rung.WAITING, [Unacknowledged, Refused]),
    "kept after five tries": (alone, [tried], Rung.WAITING, [Kept]),
    "straight without a registry": (alone, [acked], Rung.WAITING, [Delivered]),
    "kept when the registry is lost in between": (seeking, [tried, lost], Rung.WAITING, [Kept]),
    "not kept as long as it is sought": (seeking, [tried], Rung.WAITING, []),
    "straight anew when it is found": (seeking, [tried, found], Rung.STRAIGHT, []),
    "kept is mail when the registry is back": (
        alone,
        [tried, goes, found],
        Rung.MAIL,
        [Kept, Unacknowledged],
    ),
    "kept is tried when the registry is back": (alone, [tried, found], Rung.STRAIGHT, [Kept]),
    "kept is tried when they come": (alone, [tried, comes], Rung.STRAIGHT, [Kept]),
    "link lost while the letter is posted": (away, [sought], Rung.STRAIGHT, [Unacknowledged]),
    "and then mail again": (away, [sought, found], Rung.MAIL, [Unacknowledged, Unacknowledged]),
    "nothing while we are offline": (up, [offline], Rung.WAITING, []),
    "on again when we are back": (up, [offline, sought], Rung.STRAIGHT, []),
}


@pytest.mark.parametrize("name", WAYS)
def test_way(name: str) -> None:
    begin, happens, rung, told = WAYS[name]
    stairs = begin()
    message = stairs.say()
    for happen in happens:
        happen(stairs)
    assert message.rung is rung
    assert stairs.told() == told


def test_what_could_not_go_straight_lately_goes_both_ways_at_once() -> None:
    """Clause 6.8: for a minute, then straight again."""
    stairs = Stairs()
    first = stairs.say()
    stairs.pass_time(POLICY.give_up_after)
    stairs.acks(first, through_server=True)
    assert stairs.say().rung is Rung.RELAYED
    relay_fails(stairs)
    assert stairs.say().rung is Rung.STRAIGHT
    stairs.bob.relay_until = stairs.now + RELAY_STICKS_FOR
    stairs.now += RELAY_STICKS_FOR
    assert stairs.say().rung is Rung.STRAIGHT


def test_kept_messages_of_an_earlier_life_go_out_in_order() -> None:
    texts = [StoredOutgoing(number, 0, "hi", Standing.KEPT) for number in (5, 6)]
    stairs = Stairs(Reach.SEEKING, stored=StoredStream(last_sent=6, outgoing=tuple(texts)))
    assert stairs.sent() == []
    found(stairs)
    assert stairs.sent() == [5, 6]
