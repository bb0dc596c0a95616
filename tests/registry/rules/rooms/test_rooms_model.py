"""Rooms under any order of entering, leaving, lines and restarts, against a model of a few lines.

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
        self.views: dict[str, dict[str, RoomPresence]] = {}
        """What each present member was told of the other members."""
        self.heard: dict[str, list[bytes]] = {name: [] for name in NAMES}
        self.to_hear: dict[str, list[bytes]] = {name: [] for name in NAMES}
        self.said = 0

    # --- the model

    def room_of(self, who: str) -> str | None:
        return next((name for name, room in self.rooms.items() if who in room.members), None)

    def member(self, who: str) -> Member | None:
        room = self.room_of(who)
        return None if room is None else self.rooms[room].members[who]

    def gone_away(self, who: str) -> None:
        room, member = self.room_of(who), self.member(who)
        if room is not None and member is not None and member.is_here:
            member.is_here, member.seen = False, len(self.rooms[room].lines)
        self.views.pop(who, None)
        self.heard[who], self.to_hear[who] = [], []

    def taken_out(self, who: str) -> None:
        room = self.room_of(who)
        if room is not None:
            del self.rooms[room].members[who]
        self.views.pop(who, None)
        self.heard[who], self.to_hear[who] = [], []

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
        if who not in self.views:
            return
        for one in changed.members:
            name = self.names[one.identity]
            assert name != who, "nobody is told of themselves"
            if one.presence is GONE:
                self.views[who].pop(name, None)
            else:
                self.views[who][name] = one.presence

    # --- what people do

    @rule(who=WHO, room=st.sampled_from(ROOMS))
    def go_into(self, who: str, room: str) -> None:
        self.enter(who, room)

    def enter(self, who: str, room: str) -> None:
        peer, before = self.peers[who], self.room_of(who)
        if peer.link is None:
            return
        self.listen(who)
        answer = peer.enter(room.upper() if self.said % 2 else room)
        assert isinstance(answer, RoomEntered)
        there = self.rooms[room]
        if before == room:
            member = there.members[who]
            missed = 0 if member.is_here else len(there.of_others(who, member.seen))
            member.is_here = True
        else:
            self.taken_out(who)
            there.members[who] = Member(since=len(there.lines), seen=len(there.lines))
            missed = 0
        assert answer.missed == missed
        told = {self.names[one.identity]: one.presence for one in answer.members}
        assert told == self.presence(room, who)
        self.views[who] = told

    @rule(who=WHO)
    def leave(self, who: str) -> None:
        peer = self.peers[who]
        if peer.link is not None:
            self.listen(who)
            assert peer.ask(LeaveRoom(3))[-1] == RoomLeft(3)
            self.taken_out(who)

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

    @rule(who=WHO, room=st.sampled_from(ROOMS))
    def come_back(self, who: str, room: str) -> None:
        """Return on a new link, into the room where the person was."""
        self.connect(who)
        self.enter(who, self.room_of(who) or room)

    @rule(place=st.integers(0, 2), is_member=st.integers(0, 4).map(bool))
    def speak(self, place: int, is_member: bool) -> None:
        """Let a present member speak, or sometimes a stranger."""
        here = [who for who in NAMES if (member := self.member(who)) is not None and member.is_here]
        self.say(here[place % len(here)] if here and is_member else NAMES[place])

    def say(self, who: str) -> None:
        peer, member, room = self.peers[who], self.member(who), self.room_of(who)
        if peer.link is None or peer.room_key is None:
            return
        self.listen(who)
        self.said += 1
        frame = peer.say(f"line {self.said}")
        if member is not None and member.is_here and room is not None:
            self.rooms[room].lines.append((who, frame))
            for other, there in self.rooms[room].members.items():
                if there.is_here and other != who:
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
        for who in list(self.views):
            self.listen(who)
            room = self.room_of(who)
            assert room is not None
            assert self.views[who] == self.presence(room, who)

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
