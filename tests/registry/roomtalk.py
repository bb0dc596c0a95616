"""This file is about what tests of rooms and of the channel say and read: in, back, the past."""

from registry.policy import Policy
from tests.registry.hand import Hand
from tests.registry.rig import Rig
from wire.header import unpack_group
from wire.messages.group import FetchGroup, GroupPage
from wire.messages.room import RoomEntered, RoomPresence
from wire.sealing import GroupKey

HERE, AWAY, GONE = RoomPresence.HERE, RoomPresence.AWAY, RoomPresence.GONE
NEWS = Policy().room_news_span


def entered(hand: Hand, room: str) -> RoomEntered:
    answer = hand.enter(room)
    assert isinstance(answer, RoomEntered)
    return answer


def page(reader: Hand, group: str, since: int = 0) -> GroupPage:
    answer = reader.ask(FetchGroup(group, since))[-1]
    assert isinstance(answer, GroupPage)
    return answer


def texts(answer: GroupPage) -> list[bytes]:
    """The lines, opened with the keys that came along."""
    keys = {one.epoch: GroupKey(answer.group, epoch=one.epoch, key=one.key) for one in answer.keys}
    return [keys[unpack_group(line.frame).epoch].open_stored(line.frame)[-4:] for line in answer.lines]


def back(rig: Rig, *hands: Hand) -> None:
    """Everybody on a new link, as after a restart."""
    for hand in hands:
        hand.register()
        hand.attach()
