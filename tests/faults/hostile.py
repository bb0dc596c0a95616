"""A hostile client, as a process of its own: somebody with as many identities as they like, at one
address, who does what the programs of honest people never do.

    python -m tests.faults.hostile <port> <play> <seconds> <friend's identity> <name>=<port of their
    program> ...

It says `ready` when the play has begun, and in the end one line of JSON with what it did and was
told. The plays speak through `Visitor`s, and where another peer must open what is sent, through
real peers whose streams say something else.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from chatapp.peer.sdk.client import Peer
from chatapp.wire.admission import make_refused, sign_welcome
from chatapp.wire.codec import Kind, OpeningHeader, encode, pack_opening
from chatapp.wire.identity import Identity, make_card
from chatapp.wire.messages.desk import (
    CallNext,
    CommandDone,
    DropVisitor,
    EndSession,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
)
from chatapp.wire.messages.direct import Part, RelayDatagram, ReportSilence, encode_frame
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.messages.registration import (
    Cookie,
    Leave,
    Ping,
    RefusalReason,
    Refused,
    Rename,
    Welcome,
)
from chatapp.wire.messages.rooms import EnterRooms, LeaveRoom, ListRooms, RoomEntered, RoomRefused
from chatapp.wire.messages.table import FetchTable
from chatapp.wire.sessions.session import OPENING_LASTS_FOR, SessionTable
from tests.faults.visitor import Visitor
from tests.support.nodes import node_of

OPERATOR: Final = "desklead"
"""The name of a help-desk operator who has not registered yet."""

HOST: Final = "127.0.6.6"
TICK: Final = 0.005
"""Seconds between two bursts."""


class Hostile:
    """All identities of one attacker."""

    def __init__(self, port: int, name: str, *, victims: dict[str, int], friend: bytes) -> None:
        """`name`: the prefix of all their names; `victims`: the names of people and the ports of
        their programs; `friend`: a person who is away."""
        self.port: Final = port
        self.name: Final = name
        self.victims: Final = victims
        self.friend: Final = friend
        self.has_begun: Final = asyncio.Event()
        self.done: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        self.random: Final = random.Random(6)
        self._members: list[Visitor] = []
        self._readers: list[asyncio.Task[None]] = []
        self._peers: list[Peer] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((HOST, 0))
        self._udp.setblocking(False)

    async def close(self) -> None:
        """Close everything."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for peer in self._peers:
            with contextlib.suppress(Exception):
                await peer.close(within=0.1)
        for member in self._members:
            member.close()
        self._udp.close()

    @property
    def bytes_out(self) -> int:
        """The bytes that all its connections have sent to the registry."""
        return sum(member.bytes_out for member in self._members)

    async def bursts(self, rate: int) -> AsyncIterator[range]:
        """Yield the numbers of the actions due now, so many a second; late ones are skipped."""
        self.has_begun.set()
        number, size = 0, max(int(rate * TICK), 1)
        while True:
            yield range(number, number + size)
            number += size
            await asyncio.sleep(size / rate)

    # --- identities

    def nobody(self, name: str = "") -> Visitor:
        """Return another identity, which the registry does not know yet."""
        self.done["identities"] += 1
        name = name or f"{self.name}{self.done['identities']}"
        self._members.append(Visitor(self.port, name, host=HOST, seed=os.urandom(8).hex()))
        return self._members[-1]

    async def member(self) -> Visitor:
        """Return another registered identity, which reads its notices."""
        member = self.nobody()
        await member.come()
        self._readers.append(asyncio.create_task(self._read(member)))
        return member

    async def members(self, count: int) -> list[Visitor]:
        """Return so many registered identities."""
        return [await self.member() for _ in range(count)]

    async def peers(self, count: int) -> list[Peer]:
        """Return real peers, which know everybody's keys and addresses."""
        for number in range(count):
            peer = Peer(f"{self.name}-{number}", ("127.0.0.1", self.port))
            self._peers.append(await peer.__aenter__())
        return self._peers

    async def _read(self, member: Visitor) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                said = await member.next_notice()
                what = type(said).__name__
                self.heard[
                    f"{what} {said.result.name}" if isinstance(said, CommandDone) else what
                ] += 1

    def throw(self, data: bytes, victim: str) -> None:
        """Send a datagram to a person's program, or to the registry if none is named."""
        with contextlib.suppress(OSError):
            self._udp.sendto(data, ("127.0.0.1", self.victims[victim] if victim else self.port))
            self.done["datagrams"] += 1

    # --- plays: trust

    async def another_registry(self) -> None:
        """Pose as their registry, under another key: answer, admit and refuse everybody who
        asks."""
        key = Identity(os.urandom(32))
        card = make_card(key, name="", mail=b"m" * 32, counter=1)
        async for burst in self.bursts(1_000):
            for number in burst:
                nonce = self.random.randbytes(16)
                cookie = Cookie(nonce=nonce, cookie=b"c" * 16, card=card)
                welcome = sign_welcome(
                    key,
                    Welcome(
                        nonce=nonce,
                        host="127.0.0.1",
                        port=5_000,
                        table_version=1,
                        lease=30,
                        link_port=self.port,
                        clock=0,
                        servers=[],
                        signature=b"",
                    ),
                    identity=card.identity,
                )
                refused = make_refused(
                    key, nonce=nonce, reason=RefusalReason.NAME_TAKEN, name="alice"
                )
                said = (
                    bytes((Kind.COOKIE,)) + encode(cookie),
                    bytes((Kind.WELCOME,)) + encode(welcome),
                    bytes((Kind.REFUSED,)) + encode(refused),
                    bytes((Kind.GROUP,)) + self.random.randbytes(300),
                )
                for victim in self.victims:
                    self.throw(said[number % len(said)], victim)

    async def their_names(self) -> None:
        """Register under their names and look-alikes, and rename others to them."""
        names = [*self.victims, "ALICE", "aIice", "B\u043eb", "\u0430lice"]
        (member,) = await self.members(1)
        async for burst in self.bursts(200):
            for number in burst:
                impostor = self.nobody(names[number % len(names)])
                answer = await impostor.register()
                assert isinstance(answer, Refused), f"came in as {impostor.name}"
                impostor.close()
                member.counter += 1
                as_them = make_card(
                    member.identity, name=impostor.name, mail=b"m" * 32,
                    counter=member.counter,
                )  # fmt: skip
                member.ask(Rename(number, as_them))
                await member.flush()
                self.done["names asked for"] += 2

    async def openings(self) -> None:
        """Open sessions with the two and the registry, again and again: in everybody's name without
        the proof, and in one's own with it."""
        (peer,) = await self.peers(1)
        core = node_of(peer).core
        own, registry = core.me.identity, core.registry.session.pinned
        known = {victim: core.roster.contacts.by_name(victim) for victim in self.victims}
        victims = {
            victim: contact.row.card.identity
            for victim, contact in known.items()
            if contact is not None
        }
        assert registry is not None and len(victims) == len(self.victims)
        authors = (*victims.values(), registry, own.public, os.urandom(32))
        table = SessionTable(own, rng=self.random, context_of=lambda _: b"", first_number=1 << 62)
        async for burst in self.bursts(500):
            for number in burst:
                forged = OpeningHeader(
                    identity=authors[number % len(authors)],
                    number=(1 << 62) + number,
                    session=self.random.randbytes(8),
                    ephemeral=self.random.randbytes(32),
                    tag=self.random.randbytes(16),
                    proof=self.random.randbytes(16),
                    counter=0,
                )
                for victim in (*victims, ""):
                    self.throw(pack_opening(forged) + self.random.randbytes(40), victim)
                    self.done["forged openings"] += 1
                if number % 10 == 0:
                    for victim, identity in victims.items():
                        anew = number * OPENING_LASTS_FOR
                        self.throw(table.seal(identity, b"", now=anew)[0], victim)
                        self.done["genuine openings"] += 1

    async def operators_of_the_help_desk(self) -> None:
        """Take an operator's name, ask for all that operators may ask, and show invented join
        codes."""
        members = await self.members(5)
        names = [OPERATOR, OPERATOR.upper(), OPERATOR.replace("e", "\u0435", 1)]
        async for burst in self.bursts(500):
            for number in burst:
                member = members[number % len(members)]
                member.ask(
                    TakeDuty(number, "desk"), CallNext(number, "desk", number % 9), ShowRoom(number, "desk"),
                    ShowFigures(number, "desk"), EndSession(number, number % 9), NoteVisitor(number, number % 9, "x"),
                    HandOver(number, number % 9, OPERATOR), DropVisitor(number, number % 9, 1),
                    MoveVisitor(number, number % 9, 1, 2), ShowPast(number, "", 5),
                )  # fmt: skip
                await member.flush()
                self.done["requests"] += 10
                if number % 10 == 0:
                    impostor = self.nobody(names[number // 10 % len(names)])
                    answer = await impostor.register()
                    assert isinstance(answer, Refused), f"came in as {impostor.name}"
                    impostor.close()

    # --- plays: floods

    async def requests_without_end(self) -> None:
        """Repeat requests before the answer arrives: rooms, names, lists."""
        members = await self.members(10)
        async for burst in self.bursts(2_000):
            for number in burst:
                member = members[number % len(members)]
                member.counter += 1
                other_name = make_card(
                    member.identity, name=f"{member.name}-{number % 9}", mail=b"m" * 32,
                    counter=member.counter,
                )  # fmt: skip
                member.ask(
                    EnterRooms(number, [f"room{number % 3}"]), LeaveRoom(number, "lab"), ListRooms(number),
                    Rename(number, other_name), EnterRooms(number, ["lab"]), LeaveRoom(number, "lab"),
                )  # fmt: skip
                await member.flush()
                self.done["requests"] += 6

    async def parts_alone(self) -> None:
        """Send long messages without their last parts."""
        peers = await self.peers(12)
        async for burst in self.bursts(4):
            for number in burst:
                victim = list(self.victims)[number // len(peers) % len(self.victims)]
                self._send_parts(peers[number % len(peers)], victim)

    def _send_parts(self, peer: Peer, victim: str) -> None:
        node = node_of(peer)
        core = node.core
        contact = core.roster.contacts.by_name(victim)
        assert contact is not None
        delivery = core.direct.conversation(contact).delivery
        for number in range(8):
            for index in range(55):
                delivery.queue_frame(encode_frame(Part(number + 1, index, 60, b"x" * 1_000)))
        core.direct._transport.active[contact.identity] = contact
        node.driver.schedule()
        self.done["parts"] += 8 * 55

    async def relays(self) -> None:
        """Have the registry relay invalid datagrams to them."""
        members = await self.members(10)
        (peer,) = await self.peers(1)
        known = [node_of(peer).core.roster.contacts.by_name(victim) for victim in self.victims]
        async for burst in self.bursts(20):
            for number in burst:
                contact = known[number // len(members) % len(known)]
                assert contact is not None
                sealed = [bytes((Kind.SEALED,)) + self.random.randbytes(1_100) for _ in range(100)]
                member = members[number % len(members)]
                member.ask(*(RelayDatagram(contact.identity, datagram) for datagram in sealed))
                await member.flush()
                self.done["datagrams handed in"] += len(sealed)

    async def mail(self) -> None:
        """Leave letters for absent people, and for each other."""
        members = await self.members(6)
        absent = [await self._absent() for _ in range(4)]
        async for burst in self.bursts(1_000):
            for number in burst:
                member = members[number % len(members)]
                to = self.friend if number % 2 else absent[number % len(absent)].id
                member.ask(DepositMail(number, to, number, b"x" * 4_000))
                await member.flush()
                self.done["letters"] += 1

    async def _absent(self) -> Visitor:
        one = self.nobody()
        await one.register()
        one.close()
        return one

    async def rooms_of_the_absent(self) -> None:
        """Create rooms, stay a member of each, and be away."""
        async for _ in self.bursts(100):
            member = self.nobody()
            if isinstance(await member.register(), Refused):  # an address takes so many names only
                member.close()
                continue
            await member.attach()
            member.ask(EnterRooms(1, [f"room-of-{member.name}"]))
            with contextlib.suppress(ConnectionError):
                while not isinstance(await member.next_notice(), RoomEntered | RoomRefused):
                    pass
            member.close()
            self.done["rooms asked for"] += 1

    async def flapping(self) -> None:
        """Leave and come back, again and again."""
        members = await self.members(20)
        async for burst in self.bursts(1_000):
            for number in burst:
                member = members[number // 2 % len(members)]
                await member.tell(Ping(number) if number % 2 else Leave(number))
                self.done["changes"] += 1

    async def identities(self) -> None:
        """Register ever new people."""
        async for _ in self.bursts(100):
            one = self.nobody()
            await one.register()
            one.close()

    async def claims(self) -> None:
        """Claim that the table is newer than it is and that people are silent who are not, and
        request the whole table."""
        members = await self.members(5)
        (peer,) = await self.peers(1)
        known = [node_of(peer).core.roster.contacts.by_name(victim) for victim in self.victims]
        async for burst in self.bursts(500):
            for number in burst:
                contact = known[number % len(known)]
                assert contact is not None
                member = members[number % len(members)]
                member.ask(
                    FetchTable(2**62 + number),
                    FetchTable(0),
                    ReportSilence(contact.identity),
                    Ping(number),
                )
                await member.flush()
                self.done["claims"] += 3

    async def letters_that_do_not_open(self) -> None:
        """Leave invalid letters for them."""
        members = await self.members(5)
        (peer,) = await self.peers(1)
        known = [node_of(peer).core.roster.contacts.by_name(victim) for victim in self.victims]
        async for burst in self.bursts(200):
            for number in burst:
                contact = known[number % len(known)]
                assert contact is not None
                member = members[number % len(members)]
                member.ask(
                    DepositMail(number, contact.identity, number, self.random.randbytes(300))
                )
                await member.flush()
                self.done["letters"] += 1

    async def lines(self) -> None:
        """Write to them without a pause."""
        peers = await self.peers(4)
        async for burst in self.bursts(100):
            for number in burst:
                for victim in self.victims:
                    await peers[number % len(peers)].send(victim, f"{number} and nothing else")
                    self.done["lines"] += 1


Play = Callable[[Hostile], Awaitable[None]]
PLAYS: Final[dict[str, Play]] = {
    "registry": Hostile.another_registry,
    "names": Hostile.their_names,
    "openings": Hostile.openings,
    "operators": Hostile.operators_of_the_help_desk,
    "letters": Hostile.letters_that_do_not_open,
    "requests": Hostile.requests_without_end,
    "relays": Hostile.relays,
    "mail": Hostile.mail,
    "rooms": Hostile.rooms_of_the_absent,
    "flapping": Hostile.flapping,
    "identities": Hostile.identities,
    "claims": Hostile.claims,
    "parts": Hostile.parts_alone,
    "lines": Hostile.lines,
}


async def play(name: str, hostile: Hostile, *, seconds: float) -> None:
    """Play for so long after the start."""
    playing = asyncio.ensure_future(PLAYS[name](hostile))
    beginning = asyncio.ensure_future(hostile.has_begun.wait())
    try:
        await asyncio.wait((playing, beginning), return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            print("ready", flush=True)
            await asyncio.wait((playing,), timeout=seconds)
        if playing.done():
            playing.result()
    finally:
        beginning.cancel()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await hostile.close()


def main() -> None:
    """Run the command line."""
    port, name, seconds, friend, *victims = sys.argv[1:]
    ports = {victim: int(its_port) for victim, its_port in (one.split("=") for one in victims)}

    async def run() -> None:
        hostile = Hostile(int(port), f"eve-{name}", victims=ports, friend=bytes.fromhex(friend))
        await play(name, hostile, seconds=float(seconds))
        told = {"done": hostile.done, "heard": hostile.heard, "out": hostile.bytes_out}
        print(json.dumps(told))

    asyncio.run(run())


if __name__ == "__main__":
    main()
