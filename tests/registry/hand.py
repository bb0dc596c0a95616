"""This file is about playing peers by hand against one registry core: no sockets, no sleeps, time is a number.

`Rig` holds a core and its store and sorts what comes out; `Hand` is a peer that does just what a test tells it.
"""

import random
from collections import defaultdict

from registry.core import LINKS_MAX, RegistryCore
from registry.desk.settings import DeskSettings
from registry.doors import DoorSettings
from registry.policy import Policy
from registry.store.entries import Entry
from registry.store.errors import StoreError
from registry.store.memory import MemoryStore
from wire.address import Address
from wire.admission import make_register, signed_table
from wire.codec import (
    DatagramFrame,
    decode_cookie,
    decode_frames,
    decode_notice,
    decode_refused,
    decode_row,
    decode_table_batch,
    decode_welcome,
    encode,
    encode_hello,
    join_frames,
)
from wire.framing import FrameReader
from wire.header import Kind, unpack_relayed
from wire.identity import AgreementKey, Identity, make_card
from wire.invitations import JoinCode
from wire.limits import LINK_FRAME_MAX
from wire.messages.group import CHANNEL, GroupBody, GroupGranted
from wire.messages.link import Attach, PeerRequest, RegistryNotice
from wire.messages.presence import Leave, Ping
from wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, Refused, Register, Welcome
from wire.messages.room import EnterRoom, RoomChanged, RoomEntered, RoomPresence, RoomRefused
from wire.messages.table import Card, Row, TableBatch
from wire.sealing import GroupKey, LinkCipher, Session

WALL = 1_700_000_000.0
PORT = 5_000


class Rig:
    """One registry in virtual time."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        seed: int = 1,
        now: float = 100.0,
        wall: float = WALL,
        policy: Policy | None = None,
        links_max: int = LINKS_MAX,
        desk: DeskSettings | None = None,
        doors: DoorSettings | None = None,
    ) -> None:
        self.links_max = links_max
        self.desk = desk
        self.doors = doors
        self.console: list[str] = []
        self.now = now
        self.wall_offset = wall - now
        self.rng = random.Random(seed)
        self.identity = Identity(bytes(range(32)))
        self.store = store or MemoryStore()
        self.policy = policy or Policy()
        self.auto_commit = True
        self.datagrams: defaultdict[Address, list[bytes]] = defaultdict(list)
        self.frames: defaultdict[int, list[bytes]] = defaultdict(list)
        self.greetings: dict[int, bytes] = {}
        self.closed: dict[int, str] = {}
        self.paused: set[int] = set()
        self.widened: set[int] = set()
        self.handed: list[Entry] = []
        self._readers: dict[int, FrameReader] = {}
        self._next_link = 1
        self._made = 0
        self.core = self._start()

    def _start(self) -> RegistryCore:
        core = RegistryCore(
            identity=self.identity,
            rng=self.rng,
            loaded=self.store.load(),
            read_letters=self.store.read_letters,
            read_lines=self.store.read_lines,
            link_port=PORT,
            now=self.now,
            wall=self.now + self.wall_offset,
            policy=self.policy,
            links_max=self.links_max,
            desk=self.desk,
            doors=self.doors,
        )
        self._commit_all(core)
        return core

    def restart(self, *, crash: bool = True, downtime: float = 1.0) -> None:
        """Another life of the registry over the same store; all links are gone."""
        if crash:
            self.store.crash()
        self.now += downtime
        self.frames.clear()
        self.datagrams.clear()
        self.core = self._start()

    # --- turning

    def turn(self) -> None:
        """What the shell does at the end of a turn."""
        if self.auto_commit:
            self._commit_all(self.core)
        self.widened.update(self.core.links_to_widen())
        for link, pieces in self.core.link_writes():
            self._feed(link, pieces)
        self.console += self.core.console_lines()
        for data, to in self.core.datagrams_to_send():
            self.datagrams[to].append(data)
        for data, addresses in self.core.broadcasts_to_send():
            for address in addresses:
                self.datagrams[address].append(data)
        self.paused.update(self.core.links_to_pause())
        self.paused.difference_update(self.core.links_to_resume())
        self.closed.update(self.core.links_to_close())

    def commit(self) -> None:
        """The disk has everything that was asked for until now."""
        self._commit_all(self.core)
        self.turn()

    def hand_over(self) -> None:
        """Entries go to the store; the sync is still running."""
        entries = self.core.entries_to_store()
        self.store.append(entries)
        self.handed += entries

    def _commit_all(self, core: RegistryCore) -> None:
        while entries := [*self.handed, *(new := core.entries_to_store())]:
            try:
                if new:
                    self.store.append(new)
                self.store.sync()
            except StoreError as error:
                core.store_failed(str(error), newest=len(new) or None, now=self.now)
            else:
                core.entries_stored(len(entries), now=self.now)
            self.handed = []

    def advance(self, seconds: float) -> None:
        """Let time pass; every deadline on the way is met."""
        until = self.now + seconds
        while (due := self.core.next_timer()) <= until:
            self.now = max(self.now, due)
            self.core.handle_timer(now=self.now)
            self.turn()
        self.now = until

    # --- the world

    def receive(self, data: bytes, sender: Address) -> None:
        """A datagram for the registry."""
        self.core.receive_datagram(data, sender, now=self.now)
        self.turn()

    def take(self, address: Address) -> list[bytes]:
        """Drained: what was sent there."""
        return self.datagrams.pop(address, [])

    def open_link(self, host: str) -> int:
        """A new connection."""
        link = self._next_link
        self._next_link += 1
        self._readers[link] = FrameReader()
        self._readers[link].largest = LINK_FRAME_MAX
        self.core.link_opened(link, Address(host, 40_000), now=self.now)
        self.turn()
        return link

    def close_link(self, link: int) -> None:
        """The connection is over."""
        self.core.link_closed(link, now=self.now)
        self.turn()

    def _feed(self, link: int, pieces: list[bytes]) -> None:
        reader = self._readers[link]
        reader.feed(b"".join(pieces))
        if link not in self.greetings:
            greeting = reader.take_raw(16)
            if greeting is None:
                return
            self.greetings[link] = greeting
        while (frame := reader.next_frame()) is not None:
            self.frames[link].append(frame)

    def hand(self, name: str, *, host: str | None = None) -> "Hand":
        """A peer that has done nothing yet."""
        self._made += 1
        return Hand(self, name, host=host or f"10.0.0.{self._made}", seed=self._made)

    def member(self, name: str) -> "Hand":
        """A peer that is registered and has a link."""
        hand = self.hand(name)
        hand.register()
        hand.attach()
        return hand


class Hand:
    """One peer, with the keys of one program start."""

    def __init__(self, rig: Rig, name: str, *, host: str, seed: int) -> None:
        self.rig = rig
        self.name = name
        self.rng = random.Random(seed * 7_919)
        self.identity = Identity(self.rng.randbytes(32))
        self.mail_key = AgreementKey(self.rng.randbytes(32))
        self.address = Address(host, 6_000)
        self.counter = 0
        self.link: int | None = None
        self.table: dict[str, Row] = {}
        self.version = 0
        self.session: Session | None = None
        self._session_of = (b"", b"")
        self.key: GroupKey | None = None
        self.room_key: GroupKey | None = None
        self.station = 0
        self.renew()

    @property
    def id(self) -> bytes:
        return self.identity.public

    def renew(self) -> None:
        """A new live key and a card with a higher counter, as at a start."""
        self.counter += 1
        self.live = AgreementKey(self.rng.randbytes(32))
        self.card = self.make_card()

    def make_card(self, **other: object) -> Card:
        said = {
            "name": self.name,
            "live": self.live.public,
            "mail": self.mail_key.public,
            "counter": self.counter,
        } | other
        return make_card(self.identity, **said)  # type: ignore[arg-type]

    # --- coming in

    def hello(self, *, version: int = PROTOCOL_VERSION) -> Cookie:
        """HELLO, and the COOKIE that answers it."""
        nonce = self.rng.randbytes(16)
        self.rig.receive(
            bytes((Kind.HELLO,)) + encode_hello(Hello(version=version, nonce=nonce)), self.address
        )
        came = self.rig.take(self.address)
        answer = came.pop()
        assert answer[0] == Kind.COOKIE
        self.rig.datagrams[self.address] += came
        cookie = decode_cookie(answer[1:])
        assert cookie.nonce == nonce
        return cookie

    def register_bytes(
        self,
        cookie: Cookie,
        *,
        card: Card | None = None,
        table_version: int = 0,
        code: JoinCode | None = None,
    ) -> bytes:
        register: Register = make_register(
            self.identity,
            registry=cookie.card.identity,
            nonce=cookie.nonce,
            cookie=cookie.cookie,
            card=card or self.card,
            table_version=table_version,
            code=code,
        )
        return bytes((Kind.REGISTER,)) + encode(register)

    def answer(self) -> Welcome | Refused | None:
        """What the registry said to our REGISTER."""
        for data in self.rig.take(self.address):
            if data[0] == Kind.WELCOME:
                return decode_welcome(data[1:])
            if data[0] == Kind.REFUSED:
                return decode_refused(data[1:])
        return None

    def register(
        self, *, card: Card | None = None, table_version: int = 0, code: JoinCode | None = None
    ) -> Welcome | Refused | None:
        """The whole way in."""
        cookie = self.hello()
        asked = self.register_bytes(cookie, card=card, table_version=table_version, code=code)
        self.rig.receive(asked, self.address)
        answer = self.answer()
        if isinstance(answer, Welcome):
            self.use_registry(cookie.card)
        return answer

    def use_registry(self, card: Card) -> None:
        """A session with the registry of this card, unless we have it (its counters must go on)."""
        ours = (self.live.public, card.live)
        if self.session is None or self._session_of != ours:
            self._session_of = ours
            self.session = Session(
                live=self.live, identity=self.id, their_live=card.live, their_identity=card.identity
            )

    # --- sealed datagrams

    def seal(self, *frames: object) -> bytes:
        assert self.session is not None
        return self.session.seal(join_frames([encode(frame) for frame in frames]))

    def ping(self, reference: int = 7) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Ping(reference)), self.address)
        return self.heard()

    def leave(self, reference: int = 8) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Leave(reference)), self.address)
        return self.heard()

    def heard(self) -> list[DatagramFrame]:
        """Frames of sealed datagrams that came."""
        assert self.session is not None
        frames: list[DatagramFrame] = []
        for data in self.rig.take(self.address):
            if data[0] == Kind.SEALED:
                frames += decode_frames(self.session.open(data))
        return frames

    def batches(self) -> list[TableBatch]:
        """Broadcasts of the table that came, proved."""
        assert self.key is not None
        found: list[TableBatch] = []
        for data in self.rig.take(self.address):
            if data[0] == Kind.GROUP:
                batch = signed_table(self.key.open(data), registry=self.rig.identity.public)
                assert batch is not None
                found.append(decode_table_batch(batch))
        return found

    # --- the link

    def greet(self) -> int:
        """Connect and exchange random bytes."""
        assert self.session is not None
        link = self.link = self.rig.open_link(self.address.host)
        ours = self.rng.randbytes(16)
        self.rig.core.link_greeted(link, self.session.seal_tag + ours, now=self.rig.now)
        self.rig.turn()
        if link in self.rig.greetings:
            self.cipher: LinkCipher = self.session.link_cipher(ours, self.rig.greetings[link], is_peer=True)
        return link

    def attach(self) -> list[RegistryNotice]:
        """Connect and prove ourselves; what the registry says then."""
        self.greet()
        self.send(Attach())
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
                    self.room_key = key
                self.station = notice.station

    def send(self, *requests: PeerRequest) -> None:
        """Sealed frames, all in one read."""
        self.send_raw(*(self.cipher.seal(encode(request)) for request in requests))

    def send_raw(self, *frames: bytes) -> None:
        assert self.link is not None
        self.rig.core.receive_frames(self.link, frames, now=self.rig.now)
        self.rig.turn()

    def notices(self) -> list[RegistryNotice]:
        """Drained: what the registry said on the link; relayed lines stay."""
        assert self.link is not None
        frames = self.rig.frames[self.link]
        self.rig.frames[self.link] = [frame for frame in frames if frame[0] == Kind.GROUP_RELAYED]
        return [decode_notice(self.cipher.open(frame)) for frame in frames if frame[0] != Kind.GROUP_RELAYED]

    def ask(self, *requests: PeerRequest) -> list[RegistryNotice]:
        self.send(*requests)
        return self.notices()

    def drop_link(self) -> None:
        assert self.link is not None
        self.rig.close_link(self.link)
        self.link = None

    # --- the channel

    def line(self, text: str, number: int = 1) -> bytes:
        """A sealed group frame."""
        assert self.key is not None
        return self.key.seal(self.station, encode(GroupBody(number=number, floor=0, at=0, text=text)))

    # --- rooms

    def enter(self, room: str, reference: int = 0) -> RoomEntered | RoomRefused:
        """Into a room, with its key; what else is said on the link is passed over."""
        notices = self.ask(EnterRoom(reference, room))
        self.take_grants(notices)
        answers = [notice for notice in notices if isinstance(notice, RoomEntered | RoomRefused)]
        assert len(answers) == 1
        assert answers[0].reference == reference
        return answers[0]

    def say(self, text: str) -> bytes:
        """A line to the room, sent."""
        assert self.room_key is not None
        line = self.room_key.seal(self.station, encode(GroupBody(number=1, floor=0, at=0, text=text)))
        self.send_raw(line)
        return line

    def changes(self) -> dict[bytes, RoomPresence]:
        """Drained: how members stand by now, as far as it was told; keys are taken on the way."""
        notices = self.notices()
        self.take_grants(notices)
        return {
            member.identity: member.presence
            for notice in notices
            if isinstance(notice, RoomChanged)
            for member in notice.members
        }

    def relayed(self) -> list[tuple[int, bytes]]:
        """Drained: (position, frame) of lines that were relayed to us."""
        assert self.link is not None
        frames = self.rig.frames[self.link]
        self.rig.frames[self.link] = [frame for frame in frames if frame[0] != Kind.GROUP_RELAYED]
        return [unpack_relayed(frame) for frame in frames if frame[0] == Kind.GROUP_RELAYED]


def rows_of(batch_rows: list[object]) -> list[Row]:
    """Decoded rows of a page or a batch."""
    return [decode_row(raw) for raw in batch_rows]  # type: ignore[arg-type]
