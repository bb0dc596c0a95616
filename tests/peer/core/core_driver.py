"""One whole core, and the world around it played by hand: a registry, other people, a disk, the
time.

It moves bytes as a driver does, and does nothing else on its own.
"""

import random
from collections.abc import Sequence

from chatapp.peer.api.events import Event
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.records import Record
from chatapp.peer.core.registry.session import State
from chatapp.peer.history.database import History
from chatapp.wire.address import Address
from chatapp.wire.codec import FrameReader, Kind, decode_request, encode
from chatapp.wire.limits import LINK_FRAME_MAX
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted
from chatapp.wire.messages.table import FetchTable, Row, TablePage
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.link import LinkSession
from tests.peer.core.cast import POLICY, SERVER, WALL, Porter, Someone, raw
from tests.support.histories import in_memory

KEY = b"k" * 32
SENDER_INDEX = 3


class CoreDriver:
    """Alice's core."""

    def __init__(
        self,
        *,
        disk: History | None = None,
        porter: Porter | None = None,
        life: int = 1,
        servers: Sequence[Address] = (SERVER,),
    ) -> None:
        self.alice = Someone("alice", life=life)
        self.porter = porter or Porter()
        self.disk = disk or in_memory()
        self.now = 1_000.0
        me = LocalIdentity(
            name="alice",
            identity=self.alice.identity,
            mail_keys=[self.alice.mail_key],
            counter=life,
        )
        self.core = PeerCore(
            Context(me, policy=POLICY, rng=random.Random(life), wall_offset=WALL),
            servers=servers,
            loaded=self.disk.load(),
            now=self.now,
        )
        self.is_syncing = True
        """Whether the disk syncs at once what is stored."""
        self.records: list[Record] = []
        self.happened: list[Event] = []
        self.datagrams: list[tuple[bytes, Address]] = []
        self.key = GroupKey(CHANNEL, epoch=1, key=KEY)
        self._frames: list[bytes] = []
        self._reader = FrameReader()
        self._session: LinkSession

    # --- one turn

    def turn(self) -> None:
        """Carry out everything that the core outputs, and store all records."""
        for lost in self.core.lost_messages(now=self.now):
            found, is_all = self.disk.delivered(lost.contact.identity, lost.first, lost.end)
            self.core.give_again(lost, found, is_all=is_all, now=self.now)
        self.datagrams += self.core.datagrams_to_send(now=self.now)
        records = self.core.records_to_store()
        self.disk.apply(records)
        self.records += records
        self.core.records_stored(now=self.now)
        if self.is_syncing:
            self.core.synced(self.core.sync_begins(), now=self.now)
        self.datagrams += self.core.datagrams_to_send(now=self.now)
        self._reader.feed(b"".join(self.core.link_bytes_to_send(now=self.now)))
        self.happened += self.core.events()

    def pass_time(self, span: float, *, rings_most: int = 1_000) -> None:
        """Let time pass and meet every deadline. A core that asks to be woken again and again for
        nothing is caught."""
        end = self.now + span
        self.turn()
        while (due := self.core.next_timer()) is not None and due <= end:
            rings_most -= 1
            assert rings_most, "the timer rings without end"
            self.now = max(self.now, due)
            self.core.handle_timer(now=self.now)
            self.turn()
        self.now = end

    # --- the registry by UDP

    def hears(self, datagram: bytes, source: Address = SERVER) -> None:
        self.core.receive_datagrams([(datagram, source)], now=self.now)
        self.turn()

    def sent(self, *kinds: Kind) -> list[bytes]:
        """Drain the datagrams of these kinds."""
        sent = [data for data, _ in self.datagrams if data[0] in kinds]
        self.datagrams = [(data, to) for data, to in self.datagrams if data[0] not in kinds]
        return sent

    def sealed(self) -> list[bytes]:
        """Drain the datagrams of sessions."""
        return self.sent(Kind.OPENING, Kind.SEALED, Kind.ANSWER)

    def start(self) -> None:
        self.core.start(now=self.now)
        self.turn()

    def register(self, *, version: int | None = None) -> None:
        """Register, from the present or next HELLO to WELCOME. `version`: of the registry's table;
        None for ours."""
        version = self.core.table_version if version is None else version
        while not (self.core.state is State.GREETING and (hellos := self.sent(Kind.HELLO))):
            self.pass_time(0.1)
        hello = hellos[-1]
        self.hears(bytes((Kind.COOKIE,)) + self.porter.cookie(hello))
        register = self.sent(Kind.REGISTER)[-1]
        self.hears(bytes((Kind.WELCOME,)) + self.porter.welcome(register, version=version))

    def answer_pings(self) -> None:
        """Answer the pings on the link."""
        self.told(*(Pong(ping.reference, 0) for ping in self.asked() if isinstance(ping, Ping)))

    # --- the link

    def attach(self, *rows: Row, version: int = 100, position: int = 0) -> None:
        """Complete a requested link, with the whole table and an empty mailbox."""
        self.greet()
        self.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, position), MailBatch([], more=False))
        since = [request.since for request in self.asked() if isinstance(request, FetchTable)]
        self.told(TablePage(since[-1], version, more=False, rows=raw(*rows)))

    def greet(self) -> None:
        """Open the TCP connection and answer our first frame."""
        while not self.core.wants_link():
            self.pass_time(0.1)
        self._reader = FrameReader()
        self._reader.largest = LINK_FRAME_MAX
        self.core.link_connected(now=self.now)
        self.turn()
        first = self._reader.next_frame()
        assert first is not None
        asked, self._session, answer = self.porter.link(first)
        assert isinstance(asked, Attach)
        self.claimed = asked.sender_index
        self.frames(answer)

    def come_in(self, *rows: Row, version: int = 100) -> None:
        """Register, with a link and these people in the table."""
        self.start()
        self.register()
        self.attach(*rows, version=version)

    def told(self, *notices: object) -> None:
        """Deliver these notices on the link, in one read."""
        self.frames(*(self._session.seal(encode(notice)) for notice in notices))

    def frames(self, *frames: bytes) -> None:
        self.core.receive_frames(frames, now=self.now)
        self.turn()

    def asked(self) -> list[PeerRequest]:
        """Drain the requests on the link; channel lines are kept for `lines`."""
        requests: list[PeerRequest] = []
        while (frame := self._reader.next_frame()) is not None:
            if frame[0] == Kind.GROUP:
                self._frames.append(frame)
            elif frame[0] == Kind.RENEWAL:
                if answer := self._session.renewal_came(frame):
                    self.frames(answer)
            else:
                requests.append(decode_request(self._session.open(frame)))
        return requests

    def lines(self) -> list[bytes]:
        """Drain the frames for the channel."""
        self.asked()
        frames, self._frames = self._frames, []
        return frames

    def lose_link(self) -> None:
        self.core.link_closed(now=self.now)
        self.turn()

    # --- what was seen

    def saw(self) -> list[Event]:
        """Drain the events."""
        seen, self.happened = self.happened, []
        return seen
