"""The edge of a registry: it holds the connections, proves who speaks, and sends what the engine
decides.

Here are the admission of unknown addresses, the sessions and their seals, the links and their
queues. An edge keeps nothing that must outlive it: when it dies, its peers register at another one.
Nothing that a stranger sends raises; it is dropped and counted. A stranger who has proved nothing
never gets more bytes than it sent.
"""

import contextlib
from collections.abc import Callable, Sequence
from itertools import starmap
from typing import Final, NamedTuple

import msgspec

from chatapp.registry.edge.admission import FairQueue, Gate, Sessions
from chatapp.registry.edge.interest import Interest
from chatapp.registry.edge.links import Links, LinkState, PeerLink, cost_of_answers, cost_of_line
from chatapp.registry.edge.orphans import Orphans
from chatapp.registry.edge.ports import EnginePort
from chatapp.registry.rules.admin_requests import AdminAnswer
from chatapp.registry.rules.effects import (
    Admit,
    Caller,
    DropReason,
    Event,
    LinkEnded,
    LinkEndReason,
    LinkRenewed,
    PeerRegistered,
    Refuse,
    RegistrationRefused,
)
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.address import Address, network_of
from chatapp.wire.admission import make_refused, sign_welcome
from chatapp.wire.codec import (
    Kind,
    decode_attachment,
    decode_frames,
    decode_register,
    decode_request,
    encode,
    join_frames,
    unpack_group,
)
from chatapp.wire.errors import DecodeError, SealError, WireError
from chatapp.wire.identity import Identity
from chatapp.wire.limits import REGISTERS_WAITING_MAX, RENEWAL_COST
from chatapp.wire.messages.link import (
    Announcement,
    AnnouncementKind,
    Attach,
    AttachFiles,
    PeerRequest,
)
from chatapp.wire.messages.registration import Leave, Ping, Register, ServerPlace, Welcome
from chatapp.wire.messages.table import FetchTable, Find, Watch
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.opening import Randomness

SECRET_SIZE: Final = 32
_OPENING: Final = bytes((Kind.OPENING,))
_GROUP: Final = bytes((Kind.GROUP,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))


class Output(NamedTuple):
    """Everything that one turn produced, for the driver to carry out in this order."""

    link_writes: list[tuple[int, list[bytes]]]
    """The pieces for each link, framed already."""
    links_to_pause: list[int]
    """Links that ask for too much. No link is in the next list too."""
    links_to_resume: list[int]
    links_to_close: list[tuple[int, LinkEndReason]]
    """What was written to them still goes out."""
    datagrams: list[tuple[bytes, Address]]
    broadcasts: list[tuple[bytes, list[Address]]]
    """One datagram for many addresses. The driver slices long lists."""
    events: list[Event]
    """What happened, for the log."""


def _register_queue() -> FairQueue[tuple[Register, Address]]:
    return FairQueue(most=REGISTERS_WAITING_MAX)


class FileLink(NamedTuple):
    """A connection that was opened for files (clause 6.23), which is none of the edge's any more."""

    number: int
    identity: bytes
    session: LinkSession
    answer: bytes
    """The frame that answers its first."""


class Edge:
    """One edge. It is a `EdgePort` for its engine."""

    engine: EnginePort
    """Set before anything comes in."""

    def __init__(
        self,
        *,
        identity: Identity,
        rng: Randomness,
        link_port: int,
        policy: RegistryPolicy,
        recorder: Recorder,
        counter: int,
        secret: bytes | None = None,
    ) -> None:
        """`identity`: the registry's. `counter`: the one of its card, which no earlier run of this
        edge had. `secret`: of an earlier edge at this port, whose cookies are good here too."""
        self.identity: Final = identity
        self._policy = policy
        self._link_port = link_port
        self.recorder: Final = recorder
        self.sessions: Final = Sessions(identity, rng, policy, counter=counter)
        self.links: Final = Links(
            most=policy.links_max, requests_per_second=policy.requests_per_second
        )
        self.interest: Final = Interest(self.links, recorder, limit=policy.broadcast_up_to)
        self.orphans: Final = Orphans(self.links, self.sessions, self.interest)
        self.gate: Final = Gate(
            identity, secret=secret or rng.randbytes(SECRET_SIZE), window=policy.cookie_window
        )
        self.register_queue = _register_queue()
        self._datagrams: list[tuple[bytes, Address]] = []
        self._broadcasts: list[tuple[bytes, list[Address]]] = []
        self.is_broadcasting = False
        """Whether datagrams of earlier broadcasts still wait to be sent. What has changed meanwhile
        is told by the next one, once, however often it has changed."""
        self._admin_answers: list[tuple[str, AdminAnswer]] = []
        self.take_file_link: Callable[[FileLink], None] | None = None
        """Takes links for files over; None: no files are kept."""

    # --- links

    def link_opened(self, number: int, remote: Address, *, now: float) -> None:
        """A connection was accepted. The driver never uses the number again."""
        self.links.open(number, remote, now=now)
        self.settle(now=now)

    def receive_frames(self, number: int, frames: Sequence[bytes], *, now: float) -> None:
        """Handle whole frames of a link, in order."""
        link = self.links.find(number)
        if link is None:
            return
        queued, cost = link.queued, len(frames)
        for frame in frames:
            if link.is_over:
                break
            kind = frame[:1]
            if kind == _GROUP:
                cost += cost_of_line(len(frame))
            elif kind == _RENEWAL:
                cost += RENEWAL_COST - 1
            try:
                self._receive_frame(link, frame, now)
            except DecodeError:
                self.recorder.dropped[DropReason.MALFORMED_FRAME] += 1
            except SealError:
                self.links.end(number, LinkEndReason.SEAL_BROKEN)
        cost += cost_of_answers(link.queued - queued, len(frames))
        if link.is_over:
            self.links.throttle.note_of_ended(link.network, cost, now=now)
        else:
            if link.state is LinkState.ATTACHED:
                self.engine.sign_of_life(link.identity, now=now)
            self.links.throttle.note(number, link.network, cost, now=now)
        self.settle(now=now)

    def _receive_frame(self, link: PeerLink, frame: bytes, now: float) -> None:
        if link.state is LinkState.WAITING:
            self._attach(link, frame, now)
            return
        kind = frame[:1]
        if kind == _RENEWAL:
            if self.links.renewal_came(link, frame):
                self.recorder.note(LinkRenewed(address=link.remote))
            return
        if kind == _GROUP and link.state is LinkState.ATTACHED:
            self.engine.group_frame(frame, unpack_group(frame), link.caller, now=now)
            return
        assert link.session is not None
        if link.state is LinkState.ORPHANED:
            self._receive_of_orphan(link, frame, now)
            return
        request = decode_request(link.session.open(frame))
        if self.interest.is_on or isinstance(request, Watch | Find):
            self._receive_by_interest(request, link, now)
        else:
            self.engine.request(request, link.caller, now=now)

    def _receive_of_orphan(self, link: PeerLink, frame: bytes, now: float) -> None:
        """Serve nothing but the Attach that answers ours: the peer asks the rest again."""
        assert link.session is not None
        if frame[:1] != _GROUP:
            request = decode_request(link.session.open(frame))
            if isinstance(request, Attach) and link.attaches_owed:
                if self.orphans.attach_came(link):
                    self.engine.request(request, link.caller, now=now)
                return
        self.recorder.dropped[DropReason.ASKED_BEFORE_ATTACH] += 1

    def _receive_by_interest(self, request: PeerRequest, link: PeerLink, now: float) -> None:
        """Handle a request while the table is not broadcast."""
        interest = self.interest
        if link.number in self.links.guests:
            self.engine.request(request, link.caller, now=now)
        elif isinstance(request, Watch | Find):
            cost = interest.handle(request, link, now=now)
            self.links.charge(link.number, cost, now=now)
        elif isinstance(request, FetchTable):
            interest.tell_scope(link)  # the peer has not read yet that nobody is given it
        else:
            if isinstance(request, Ping):
                interest.tell_scope(link)
            self.engine.request(request, link.caller, now=now)

    def _attach(self, link: PeerLink, frame: bytes, now: float) -> None:
        """Open the link's session by its first frame, which must carry an Attach (clause 9.1)."""
        try:
            if frame[:1] != _OPENING:
                raise SealError("not an opening")
            identity, payload, session, answer = self.sessions.table.take_link(
                frame, source=link.remote, now=now
            )
        except WireError:
            self.links.end(link.number, LinkEndReason.NO_SESSION)
            return
        try:
            request = decode_attachment(payload)
        except DecodeError:
            self.links.end(link.number, LinkEndReason.NO_ATTACH)
            return
        if isinstance(request, AttachFiles):
            self._hand_over(FileLink(link.number, identity, session, answer))
            return
        self.links.attach(
            link, session, identity, answer, is_guest=identity in self.sessions.guests
        )
        if link.number not in self.links.guests:
            self.interest.tell_scope(link)
        self.engine.request(request, link.caller, now=now)

    def _hand_over(self, link: "FileLink") -> None:
        """Let whoever keeps files have a link that was opened for files."""
        if self.take_file_link is None:
            self.links.end(link.number, LinkEndReason.NO_ATTACH)
        else:
            self.links.forget(link.number)
            self.take_file_link(link)

    def take_links_to_widen(self) -> list[int]:
        """Drain the links that have authenticated since the last call: their frames may have full
        length from now on."""
        widened, self.links.to_widen = self.links.to_widen, []
        return widened

    def link_backlog(self, number: int, size: int) -> None:
        """Note that `size` written bytes wait for the link's reader. The driver reports each write
        that leaves some waiting, then again until none are."""
        link = self.links.find(number)
        if link is not None:
            link.backlog = size

    def link_closed(self, number: int, *, now: float) -> None:
        """Note that a connection is over, whichever side ended it."""
        link = self.links.forget(number)
        if link is not None and link.state is not LinkState.WAITING:
            self._link_over(link)
            self.engine.link_lost(link.identity, number, now=now)
            self.settle(now=now)

    def _link_over(self, link: PeerLink) -> None:
        self.interest.link_over(link.number)
        self.orphans.link_over(link)

    def serve_another(self, *, lease: int, counter: int) -> None:
        """Serve another engine of the same registry from now on, which grants this lease.
        `counter`: as at the beginning."""
        self.sessions.renew_card(counter)
        self._policy = msgspec.structs.replace(self._policy, lease_span=lease)

    def let_nobody_finish(self, secret: bytes) -> None:
        """Make void whatever peers began to register with: who has done so at an earlier engine
        could be played back, as nothing is known here of their sessions. `secret`: of the cookies
        from now on."""
        self.gate.secret, self.register_queue = secret, _register_queue()

    # --- datagrams

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle one datagram."""
        kind, dropped = data[0] if data else 0, self.recorder.dropped
        try:
            if kind in (Kind.SEALED, Kind.OPENING, Kind.ANSWER):
                self._open_sealed(data, sender, now)
            elif kind == Kind.HELLO:
                if not self.engine.admits(now):
                    dropped[DropReason.NO_ENGINE] += 1
                    return
                answer = self.gate.answer_hello(data, sender, card=self.sessions.card, now=now)
                if answer is None:
                    dropped[DropReason.OTHER_VERSION] += 1
                else:
                    self._datagrams.append((answer, sender))
            elif kind == Kind.REGISTER:
                self._receive_register(data, sender, now)
            else:
                dropped[DropReason.UNKNOWN_DATAGRAM_KIND] += 1
        except DecodeError:
            dropped[DropReason.MALFORMED_DATAGRAM] += 1
        except SealError:
            dropped[DropReason.SEAL_BROKEN] += 1

    def _receive_register(self, data: bytes, sender: Address, now: float) -> None:
        """Serve a REGISTER at once, or queue it when many come: its signatures cost more than all
        the rest. Raises DecodeError."""
        register = decode_register(data[1:])
        flaw = self.gate.screen(register, sender, now=now)
        if flaw is not None:
            self.recorder.dropped[flaw] += 1
            if flaw is DropReason.BAD_COOKIE and self.engine.admits(now):
                answer = self.gate.renew_cookie(register, sender, card=self.sessions.card, now=now)
                self._datagrams.append((answer, sender))
        elif self.register_queue.is_free(now=now):
            self._register(register, sender, now)
        elif not self.register_queue.join(network_of(sender.host), (register, sender), now=now):
            self.recorder.dropped[DropReason.REGISTER_QUEUE_FULL] += 1

    def _register(self, register: Register, sender: Address, now: float) -> None:
        flaw = self.gate.flaw_of(register)
        if flaw is not None:
            self.recorder.dropped[flaw] += 1
            return
        caller = Caller(identity=register.card.identity, address=sender)
        self.engine.register(register, caller, now=now)
        self.settle(now=now)

    def _open_sealed(self, data: bytes, sender: Address, now: float) -> None:
        table = self.sessions.table
        if table.author_of(data) is None:
            self.recorder.dropped[DropReason.NO_SESSION] += 1
            return
        opened = table.open(data, source=sender, now=now)
        if opened.answer is not None:
            self._datagrams.append((opened.answer, sender))
        if not opened.payload:
            return
        frames = [
            frame for frame in decode_frames(opened.payload) if isinstance(frame, Ping | Leave)
        ]
        if not frames:
            self.recorder.dropped[DropReason.NOTHING_FOR_REGISTRY] += 1
            return
        caller = Caller(
            identity=opened.identity,
            address=sender,
            session=opened.session,
            is_newest=opened.is_newest,
        )
        if opened.is_newest:
            self.sessions.is_at(opened.identity, sender)
        # Only the last frame is served: one answer a datagram, so that nobody can make us send more
        # than they do.
        self.engine.request(frames[-1], caller, now=now)
        self.settle(now=now)

    # --- from the engine

    def reply(self, to: Caller, payload: bytes) -> None:
        """Answer a caller on the link or in the session by which the request came."""
        if to.link is not None:
            self.push(to.link, payload)
        elif to.address is not None:
            datagram = self.sessions.table.seal_back(to.session, join_frames([payload]))
            if datagram is not None:
                self._datagrams.append((datagram, to.address))

    def push(self, link: int, payload: bytes) -> None:
        """Queue a message on a link, if the link is still there."""
        peer_link = self.links.find(link)
        if peer_link is not None:
            self.links.send(peer_link, payload)

    def offer(self, link: int, payload: bytes, *, is_idle: bool) -> None:
        """Queue a message on a link, unless its reader is behind. `is_idle`: or unless more than a
        little waits for it."""
        peer_link = self.links.find(link)
        if peer_link is not None and not (peer_link.is_busy if is_idle else peer_link.is_behind):
            self.links.send(peer_link, payload)
        else:
            self.recorder.dropped[DropReason.RECIPIENT_LINK_BUSY] += 1

    def send_datagram(
        self, identity: bytes, address: Address, payload: bytes, *, now: float
    ) -> None:
        """Send a message in a sealed datagram, if there is a session."""
        with contextlib.suppress(SealError):  # the session has expired
            datagrams = self.sessions.table.seal(identity, join_frames([payload]), now=now)
            self._datagrams += [(datagram, address) for datagram in datagrams]

    def admit(self, admitted: Admit, *, table_version: int, clock: int, now: float) -> None:
        """Send the signed WELCOME and allow sessions with the peer."""
        address = admitted.to.address
        assert address is not None
        identity, nonce = admitted.card.identity, admitted.nonce
        if self.orphans.waiting:  # mostly there are none: no call
            self.orphans.registered(identity)
        self.sessions.admit(identity, nonce, address, is_guest=admitted.is_guest, now=now)
        welcome = sign_welcome(
            self.identity,
            Welcome(
                nonce=admitted.nonce,
                host=address.host,
                port=address.port,
                table_version=table_version,
                lease=self._policy.lease_span,
                link_port=self._link_port,
                clock=clock,
                servers=list(starmap(ServerPlace, self._policy.servers)),
                signature=b"",
            ),
            identity=admitted.card.identity,
        )
        self._datagrams.append((bytes((Kind.WELCOME,)) + encode(welcome), address))
        if admitted.is_new:
            self.recorder.note(PeerRegistered(name=admitted.card.name, address=address))

    def refuse(self, refused: Refuse) -> None:
        """Send the signed REFUSED."""
        address = refused.to.address
        assert address is not None
        message = make_refused(
            self.identity,
            nonce=refused.nonce,
            reason=refused.reason,
            name=refused.name,
            counter=refused.counter,
            seconds=refused.seconds,
            text=refused.text,
        )
        self._datagrams.append((bytes((Kind.REFUSED,)) + encode(message), address))
        self.recorder.note(
            RegistrationRefused(name=refused.name, address=address, reason=refused.reason)
        )

    def disconnect(self, link: int, reason: LinkEndReason) -> None:
        """End a link after what is queued for it."""
        self.links.end(link, reason)

    def relay(self, frame: bytes, sender: int) -> None:
        """Queue the same bytes on all links of members but the sender's."""
        self.links.relay(frame, sender=sender)

    def relay_to(self, frame: bytes, links: tuple[int, ...], sender: int) -> None:
        """Queue the same bytes on these links but the sender's."""
        self.links.relay_to(frame, links, sender=sender)

    def tell_everybody(self, payload: bytes) -> None:
        """Queue a message on every attached link."""
        for link in self.links.attached():
            self.links.send(link, payload)

    def tell_stopping(self) -> None:
        """Tell everybody at this edge that it stops now."""
        self.tell_everybody(encode(Announcement(AnnouncementKind.STOPPING, "", 0)))

    @property
    def takes_broadcasts(self) -> bool:
        """Whether its people are told of the table by broadcasts."""
        return not self.interest.is_on

    def broadcast(self, frame: bytes, addresses: list[Address]) -> None:
        """Queue one datagram for these addresses."""
        if self.takes_broadcasts:  # a cluster's engine does not know
            self._broadcasts.append((frame, addresses))

    def broadcast_backlog(self, *, waits: bool) -> None:
        """Note whether datagrams of broadcasts wait to be sent. The driver reports it when some are
        left at the end of its turn, then again when none are."""
        self.is_broadcasting = waits

    def answer_admin(self, ticket: str, answer: AdminAnswer) -> None:
        """Keep the answer to the admin request with this ticket until it is drained."""
        self._admin_answers.append((ticket, answer))

    def charge_answers(self, number: int, size: int, count: int, *, now: float) -> None:
        """Count `size` bytes in `count` answers that came later than the link's requests were
        counted. It may be over."""
        cost = cost_of_answers(size, count)
        if cost:
            self.links.charge(number, cost, now=now)

    def hold(self, number: int) -> None:
        """Read nothing more from a link until it is released."""
        if self.links.find(number) is not None:
            self.links.throttle.hold(number)

    def release(self, number: int) -> None:
        """Read from a link again."""
        self.links.throttle.release(number)

    def end_all(self, reason: LinkEndReason) -> None:
        """End all links, those included that have proved nothing. Neither the engine nor the log is
        told of each."""
        self.links.end_all(reason)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        for register, sender in self.register_queue.taken(now=now):
            self._register(register, sender, now)
        self.links.handle_timer(now=now)
        self.orphans.handle_timer(now=now)
        self.sessions.table.handle_timer(now=now)
        self.settle(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        others = (self.links.next_timer(), self.sessions.table.next_timer())
        return min(
            [
                self.register_queue.due,
                self.orphans.next_timer(),
                *(due for due in others if due is not None),
            ]
        )

    def settle(self, *, now: float) -> None:
        """Finish an input: the engine learns of the links that we ended."""
        self.interest.settle()
        while ended := self.links.ended:  # handling one may end others
            self.links.ended = []
            for link, reason in ended:
                self._link_over(link)
                name = self.engine.name_of(link.identity)
                self.recorder.note(LinkEnded(name=name, address=link.remote, reason=reason))
                self.engine.link_lost(link.identity, link.number, now=now)
            self.interest.settle()
        self.engine.settle(now=now)

    # --- out

    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drain the answers to admin requests, by ticket."""
        answers, self._admin_answers = self._admin_answers, []
        return answers

    def take_output(self) -> Output:
        """Drain everything that the driver has to send or log."""
        links = self.links
        throttle = links.throttle
        to_pause, to_resume = throttle.take_changes() if throttle.changed else ([], [])
        output = Output(
            links.writes(),
            to_pause,
            to_resume,
            links.to_close,
            self._datagrams,
            self._broadcasts,
            self.recorder.take_events() if self.recorder.events else [],
        )
        links.to_close = []
        self._datagrams, self._broadcasts = [], []
        return output
