"""A peer with a link, played by hand: its requests, the notices it gets, its group lines.

It does only what a test tells it. While time passes, the rig lets it show signs of life.
"""

from typing import TYPE_CHECKING

from chatapp.wire.codec import Kind, decode_notice, decode_row, encode, unpack_relayed
from chatapp.wire.messages.link import Attach, AttachAgain, PeerRequest, RegistryNotice
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRooms,
    GroupBody,
    GroupGranted,
    RoomChanged,
    RoomEntered,
    RoomPresence,
    RoomRefused,
)
from chatapp.wire.messages.table import FetchTable, Row, TablePage
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.link import LinkSession
from tests.registry.newcomer import Newcomer

if TYPE_CHECKING:
    from tests.registry.rig import Rig


class LinkedPeer(Newcomer):
    """A newcomer that may have a link, and the keys that arrive over it."""

    def __init__(self, rig: "Rig", name: str, *, host: str, seed: int) -> None:
        super().__init__(rig, name, host=host, seed=seed)
        self.link: int | None = None
        self.room_keys: dict[str, GroupKey] = {}
        """By group."""
        self.group = ""
        """The group of the room that we entered last."""
        self.sender_index = 0
        self.claims = self.knows = 0
        """The sender index that our program says it had, and the version of its table."""
        self.is_frozen = False
        """Whether the program is stopped, with its connection open."""

    # --- the link

    @property
    def shows_life(self) -> bool:
        """Whether its program sends something on its link from time to time."""
        return self.link is not None and self.link not in self.rig.closed and not self.is_frozen

    def connect(self) -> int:
        """Connect without sending anything."""
        link = self.link = self.rig.open_link(self.address.host)
        return link

    def first_frame(self, said: bytes | None = None) -> bytes:
        """Return the first frame, which opens the session of a link and carries an Attach or
        another request."""
        said = encode(Attach(self.claims, self.knows)) if said is None else said
        first, self._begun = self.sessions.open_link(self._registry[0], said, now=self.rig.now)
        return first

    def open_session(self) -> None:
        """Send our first frame and take the answer."""
        self.send_raw(self.first_frame())
        assert self.link is not None
        self.session: LinkSession = self._begun.answered(self.rig.frames[self.link].pop(0))

    def attach(self) -> list[RegistryNotice]:
        """Connect and authenticate; returns the registry's first notices."""
        self.connect()
        self.open_session()
        notices = self.notices()
        self.take_grants(notices)
        return notices

    def take_grants(self, notices: list[RegistryNotice]) -> None:
        for notice in notices:
            if isinstance(notice, GroupGranted):
                key = GroupKey(notice.group, epoch=notice.epoch, key=notice.key)
                if notice.group == CHANNEL:
                    self.key = key
                else:
                    self.room_keys[notice.group] = key
                self.sender_index = notice.sender_index

    def asked_to_attach(self) -> bool:
        """Return whether the registry has asked us to attach again since we looked last."""
        return AttachAgain() in self.notices()

    def attach_again(self) -> list[RegistryNotice]:
        """Attach on the same link; returns the registry's notices."""
        notices = self.ask(Attach(self.claims or self.sender_index, self.knows))
        self.take_grants(notices)
        return notices

    def send(self, *requests: PeerRequest) -> None:
        """Send sealed frames, all in one read."""
        self.send_raw(*(self.session.seal(encode(request)) for request in requests))

    def renew_link(self) -> None:
        """Renew the keys of our link, after everything on it was read."""
        assert self.link is not None
        self.send_raw(self.session.renew())
        (answer,) = self.rig.frames.pop(self.link)
        self.send_raw(self.session.renewal_came(answer))

    def send_raw(self, *frames: bytes) -> None:
        assert self.link is not None
        self.rig.core.receive_frames(self.link, frames, now=self.rig.now)
        self.rig.turn()

    def notices(self) -> list[RegistryNotice]:
        """Drain the registry's notices on the link; relayed lines stay."""
        assert self.link is not None
        frames = self.rig.frames[self.link]
        self.rig.frames[self.link] = [frame for frame in frames if frame[0] == Kind.GROUP_RELAYED]
        return [
            decode_notice(self.session.open(frame))
            for frame in frames
            if frame[0] != Kind.GROUP_RELAYED
        ]

    def take_all(self) -> None:
        """Read everything sent so far, by datagram and link, and forget it."""
        self.notices()
        self.rig.take(self.address)

    def ask(self, *requests: PeerRequest) -> list[RegistryNotice]:
        self.send(*requests)
        return self.notices()

    def drop_link(self) -> None:
        assert self.link is not None
        self.rig.close_link(self.link)
        self.link = None

    # --- the channel

    @property
    def epoch(self) -> int:
        """The epoch of the newest channel key that we have."""
        assert self.key is not None
        return self.key.epoch

    def line(self, text: str, number: int = 1) -> bytes:
        """Return a sealed group frame."""
        assert self.key is not None
        return self.key.seal(
            self.sender_index, encode(GroupBody(number=number, floor=0, at=0, text=text))
        )

    # --- rooms

    @property
    def room_key(self) -> GroupKey | None:
        """The newest key of the room that we entered last."""
        return self.room_keys.get(self.group)

    def enter(self, room: str, reference: int = 0) -> RoomEntered | RoomRefused:
        """Enter a room and take its key; other notices on the link are ignored."""
        notices = self.ask(EnterRooms(reference, [room]))
        self.take_grants(notices)
        answers = [notice for notice in notices if isinstance(notice, RoomEntered | RoomRefused)]
        (answer,) = answers
        assert answer.reference == reference
        self.group = answer.group if isinstance(answer, RoomEntered) else self.group
        return answer

    def say(self, text: str, group: str = "") -> bytes:
        """Send a line to this room, or to the one that we entered last."""
        line = self.room_keys[group or self.group].seal(
            self.sender_index, encode(GroupBody(number=1, floor=0, at=0, text=text))
        )
        self.send_raw(line)
        return line

    def changes(self) -> dict[bytes, RoomPresence]:
        """Drain the members' states; keys are taken on the way."""
        notices = self.notices()
        self.take_grants(notices)
        return {
            member.identity: member.presence
            for notice in notices
            if isinstance(notice, RoomChanged)
            for member in notice.members
        }

    def relayed(self) -> list[tuple[int, bytes]]:
        """Drain (position, frame) of the lines relayed to us."""
        assert self.link is not None
        frames = self.rig.frames[self.link]
        self.rig.frames[self.link] = [frame for frame in frames if frame[0] != Kind.GROUP_RELAYED]
        return [unpack_relayed(frame) for frame in frames if frame[0] == Kind.GROUP_RELAYED]


def rows_of(batch_rows: list[object]) -> list[Row]:
    """Return the decoded rows of a page or a batch."""
    return [decode_row(raw) for raw in batch_rows]  # type: ignore[arg-type]


def table_of(reader: LinkedPeer, since: int = 0) -> dict[str, Row]:
    """Return all rows newer than this version, by name."""
    (page,) = [one for one in reader.ask(FetchTable(since)) if isinstance(one, TablePage)]
    return {row.card.name: row for row in rows_of(list(page.rows))}
