"""Rooms under any order of entering, leaving, lines and restarts, against a model of a few lines. People
may be in both rooms.

The model knows the members, which of them are present, and the lines; it has no positions, epochs,
entries or links.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.messages.registration import Ping
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    GroupPage,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomInfo,
    RoomLeft,
    RoomPresence,
    RoomsListed,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.examples import scaled

NAMES = ("ann", "bob", "eve")
ROOMS = ("tea", "milk")
WHO = st.sampled_from(NAMES)
HERE, AWAY, GONE = RoomPresence.HERE, RoomPresence.AWAY, RoomPresence.GONE


@dataclass
class Member:
    """`since` and `seen` count lines of the room."""

    since: int
    seen: int
    is_here: bool = True


@dataclass
class Room:
    """One room of the model."""

    members: dict[str, Member] = field(default_factory=dict)
    lines: list[tuple[str, bytes]] = field(default_factory=list)

    def of_others(self, who: str, start: int) -> list[bytes]:
        return [frame for sender, frame in self.lines[start:] if sender != who]


class RoomsBesideAModel(RuleBasedStateMachine):
    """Compares what the registry sends each person with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.peers: dict[str, LinkedPeer] = {name: self.rig.member(name) for name in NAMES}
        self.names = {peer.id: name for name, peer in self.peers.items()}
        self.rooms = {room: Room() for room in ROOMS}
        self.views: dict[tuple[str, str], dict[str, RoomPresence]] = {}
        """By person and room: what each present member was told of the other members."""
        self.heard: dict[str, list[bytes]] = {name: [] for name in NAMES}
        self.to_hear: dict[str, list[bytes]] = {name: [] for name in NAMES}
        self.said = 0

    # --- the model

    def rooms_of(self, who: str) -> list[str]:
        return [name for name, room in self.rooms.items() if who in room.members]

    def here(self, room: str) -> list[str]:
        return [who for who, member in self.rooms[room].members.items() if member.is_here]

    def gone_away(self, who: str) -> None:
        for room in self.rooms_of(who):
            member = self.rooms[room].members[who]
            if member.is_here:
                member.is_here, member.seen = False, len(self.rooms[room].lines)
            self.views.pop((who, room), None)
        self.heard[who], self.to_hear[who] = [], []

    def taken_out(self, who: str, room: str) -> None:
        self.rooms[room].members.pop(who, None)
        self.views.pop((who, room), None)

    def presence(self, room: str, but: str) -> dict[str, RoomPresence]:
        members = self.rooms[room].members.items()
        return {who: HERE if member.is_here else AWAY for who, member in members if who != but}

    # --- listening

    def listen(self, who: str) -> None:
        """Process what came: changes of members, keys, lines."""
        peer = self.peers[who]
        if peer.link is None:
            return
        self.heard[who] += [frame for _, frame in peer.relayed()]
        notices = peer.notices()
        peer.take_grants(notices)
        for notice in notices:
            if isinstance(notice, RoomChanged):
                self.take_news(who, notice)

    def take_news(self, who: str, changed: RoomChanged) -> None:
        view = self.views.get((who, changed.group.removeprefix("#").lower()))
        if view is None:
            return
        for one in changed.members:
            name = self.names[one.identity]
            assert name != who, "nobody is told of themselves"
            if one.presence is GONE:
                view.pop(name, None)
            else:
                view[name] = one.presence

    # --- what people do

    @rule(who=WHO, room=st.sampled_from(ROOMS))
    def go_into(self, who: str, room: str) -> None:
        self.enter(who, room)

    def enter(self, who: str, room: str) -> None:
        peer = self.peers[who]
        if peer.link is None:
            return
        self.listen(who)
        answer = peer.enter(room.upper() if self.said % 2 else room)
        assert isinstance(answer, RoomEntered)
        self.entered(who, answer)

    def entered(self, who: str, answer: RoomEntered) -> None:
        room = answer.group.removeprefix("#").lower()
        there, missed = self.rooms[room], 0
        if who in there.members:
            member = there.members[who]
            missed = 0 if member.is_here else len(there.of_others(who, member.seen))
            member.is_here = True
        else:
            there.members[who] = Member(since=len(there.lines), seen=len(there.lines))
        assert answer.missed == missed
        told = {self.names[one.identity]: one.presence for one in answer.members}
        assert told == self.presence(room, who)
        self.views[who, room] = told

    @rule(who=WHO, room=st.sampled_from(ROOMS))
    def leave(self, who: str, room: str) -> None:
        peer = self.peers[who]
        if peer.link is not None:
            self.listen(who)
            assert peer.ask(LeaveRoom(3, room))[-1] == RoomLeft(3)
            self.taken_out(who, room)

    @rule(who=WHO)
    def lose_link(self, who: str) -> None:
        if self.peers[who].link is not None:
            self.peers[who].drop_link()
            self.gone_away(who)

    @rule(who=WHO)
    def go_offline(self, who: str) -> None:
        peer = self.peers[who]
        if peer.link is not None:
            peer.leave()
            peer.link = None
            self.gone_away(who)

    @rule(who=WHO)
    def connect(self, who: str) -> None:
        """Return on a new link, which may replace an earlier one."""
        peer = self.peers[who]
        peer.register()
        peer.attach()
        self.gone_away(who)

    @rule(who=WHO)
    def come_back(self, who: str) -> None:
        """Return on a new link, into the rooms where the person was, by one request."""
        self.connect(who)
        rooms = self.rooms_of(who)
        if rooms:
            notices = self.peers[who].ask(EnterRooms(5, rooms, is_return=True))
            self.peers[who].take_grants(notices)
            answers = [one for one in notices if isinstance(one, RoomEntered)]
            assert len(answers) == len(rooms)
            for answer in answers:
                self.entered(who, answer)

    @rule(
        room=st.sampled_from(ROOMS), place=st.integers(0, 2), is_member=st.integers(0, 4).map(bool)
    )
    def speak(self, room: str, place: int, *, is_member: bool) -> None:
        """Let a present member speak, or sometimes a stranger."""
        here = [who for who in NAMES if who in self.here(room)]
        self.say(here[place % len(here)] if here and is_member else NAMES[place], room)

    def say(self, who: str, room: str) -> None:
        """Speak under the newest key that the person ever had."""
        peer = self.peers[who]
        groups = [group for group in peer.room_keys if group.removeprefix("#").lower() == room]
        if peer.link is None or not groups:
            return
        self.listen(who)
        self.said += 1
        frame = peer.say(f"line {self.said}", groups[-1])
        if who in self.here(room):
            self.rooms[room].lines.append((who, frame))
            for other in self.here(room):
                if other != who:
                    self.to_hear[other].append(frame)

    # --- what happens

    @rule(span=st.sampled_from((0.0, 0.02, 1.1, 61.0)))
    def wait(self, span: float) -> None:
        for peer in self.peers.values():
            if peer.link is not None:
                peer.send(Ping(1))
        self.rig.advance(span)

    @rule()
    def restart(self) -> None:
        self.rig.restart(crash=True)
        for who, peer in self.peers.items():
            peer.link = None
            self.gone_away(who)

    # --- what must hold

    @invariant()
    def everybody_heard_what_was_said(self) -> None:
        for who in NAMES:
            self.listen(who)
        assert self.heard == self.to_hear

    @rule()
    def who_is_here_knows_who_else_is(self) -> None:
        self.rig.advance(RegistryPolicy().room_news_span)
        for who, room in list(self.views):
            self.listen(who)
            assert self.views[who, room] == self.presence(room, who)

    @rule(who=WHO, room=st.sampled_from(ROOMS))
    def fetch(self, who: str, room: str) -> None:
        peer = self.peers[who]
        if peer.link is None:
            return
        self.listen(who)
        answers = [one for one in peer.ask(FetchGroup(f"#{room}", 0)) if isinstance(one, GroupPage)]
        answers += [
            one for one in peer.ask(FetchGroup(f"#{room.upper()}", 0)) if isinstance(one, GroupPage)
        ]
        member = self.rooms[room].members.get(who)
        expected = [] if member is None else self.rooms[room].of_others(who, member.since)
        assert [line.frame for page in answers for line in page.lines] == expected
        assert len(answers) == (member is not None)
        known = {key.epoch for page in answers for key in page.keys}
        assert len(known) <= len(expected)

    @precondition(lambda self: any(peer.link is not None for peer in self.peers.values()))
    @rule()
    def list_rooms(self) -> None:
        peer = next(peer for peer in self.peers.values() if peer.link is not None)
        self.listen(self.names[peer.id])
        (listed,) = [one for one in peer.ask(ListRooms(1)) if isinstance(one, RoomsListed)]
        here = {
            name: sum(member.is_here for member in room.members.values())
            for name, room in self.rooms.items()
        }
        found = {info.group.removeprefix("#").lower(): info.here for info in listed.rooms}
        assert found == {name: count for name, count in here.items() if count}
        assert all(isinstance(info, RoomInfo) for info in listed.rooms)


TestRoomsBesideAModel = RoomsBesideAModel.TestCase
TestRoomsBesideAModel.settings = settings(
    max_examples=scaled(40), stateful_step_count=50, deadline=None
)
