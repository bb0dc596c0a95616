"""Helpers for tests of rooms and the channel: entering, returning, reading the log."""

from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.codec import decode_group_body, unpack_group
from chatapp.wire.messages.rooms import FetchGroup, GroupPage, RoomEntered, RoomPresence
from chatapp.wire.sealing import GroupKey
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

HERE, AWAY, GONE = RoomPresence.HERE, RoomPresence.AWAY, RoomPresence.GONE
NEWS = RegistryPolicy().room_news_span


def entered(peer: LinkedPeer, room: str) -> RoomEntered:
    answer = peer.enter(room)
    assert isinstance(answer, RoomEntered)
    return answer


def page(reader: LinkedPeer, group: str, since: int = 0) -> GroupPage:
    answer = reader.ask(FetchGroup(group, since))[-1]
    assert isinstance(answer, GroupPage)
    return answer


def texts(answer: GroupPage) -> list[str]:
    """Return the lines, opened with the keys of the page."""
    keys = {one.epoch: GroupKey(answer.group, epoch=one.epoch, key=one.key) for one in answer.keys}
    opened = [keys[unpack_group(line.frame).epoch].open_stored(line.frame) for line in answer.lines]
    return [decode_group_body(payload).text for payload in opened]


def back(rig: Rig, *peers: LinkedPeer) -> None:
    """Bring everybody back on a new link, as after a restart."""
    for peer in peers:
        peer.register()
        peer.attach()
