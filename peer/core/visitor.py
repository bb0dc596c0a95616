"""The core of a visitor: the hub of two subjects, the registry and the visit, without any I/O.

A visitor is a guest at the registry: a key and a card without a name, no table, no mail, only the
desk (clause 11.1 of the protocol). What is asked and told at the desk is in `peer.core.desk.visit`.
"""

from collections.abc import Sequence
from typing import Final, get_args

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.context import Context, RegistryChange, drop_invalid
from chatapp.peer.core.desk.files import DeskDownload, DeskUpload
from chatapp.peer.core.desk.visit import ADMITTED, NoticeToVisitor, Stage, Visit
from chatapp.peer.core.registry.connection import LinkReader, NodeCore, RegistryConnection
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.address import Address
from chatapp.wire.identity import Identity, fingerprint
from chatapp.wire.messages.link import NodeNotice, PeerRequest
from chatapp.wire.messages.registration import RefusalReason

_DESK_NOTICES: Final = get_args(NoticeToVisitor)


class VisitorRegistration:
    """The subject `registry` of a visitor (a `RegistrationOwner`)."""

    def __init__(
        self,
        ctx: Context,
        hub: LinkReader,
        visit: Visit,
        *,
        servers: Sequence[Address],
        pinned: bytes | None,
    ) -> None:
        self._visit: Final = visit
        self.session: Final = RegistrySession(ctx, addresses=servers, pinned=pinned)
        self.connection: Final = RegistryConnection(
            ctx, session=self.session, owner=self, reader=hub
        )
        ctx.alarms.follow(self.connection.next_timer, self.connection.handle_timer)
        self.events: Final[list[visit_events.VisitEvent]] = []
        self.is_stranger = False
        """Whether another registry than ours answers at its address."""
        self._is_stopped = False
        """Whether the registry said that it stops, and is not back."""

    def tell(self, event: visit_events.VisitEvent) -> None:
        """Tell the visitor."""
        if isinstance(event, visit_events.ServerStopping | visit_events.ServerBack):
            self._is_stopped = isinstance(event, visit_events.ServerStopping)
        self.events.append(event)

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        """Note that it is our own registry; what follows is up to the desk."""
        self.is_stranger = False
        return True

    @property
    def awaits_welcome(self) -> bool:
        """Whether only another registration shows what became of something: of nothing."""
        return False

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        """Tell the visitor why the registry does not let us in."""
        seconds, text = self.session.denied_for, self.session.denied_text
        self.tell(visit_events.VisitorNotAdmitted(reason=reason, seconds=seconds, text=text))

    def lost(self, *, has_begun: bool, now: float) -> None:
        """Tell the visitor that the registry is lost, and for how long the position is kept."""
        if has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in ADMITTED else None
            self.tell(
                visit_events.VisitorServerLost(keep_place=keep_place, is_stopped=self._is_stopped)
            )
        else:
            self.tell(visit_events.NoServer())
        for _ in range(self._visit.give_up_questions()):
            self.tell(visit_events.QuestionUnanswered())

    def replaced(
        self, stranger: bytes, *, is_code_foreign: bool, has_begun: bool, now: float
    ) -> None:
        """Tell the visitor that another registry answers. `is_code_foreign` is never true: a
        visitor has no join code."""
        self.is_stranger = True
        self.tell(
            visit_events.RegistryKeyChanged(
                expected=self.session.expected, got=fingerprint(stranger)
            )
        )

    def left(self, *, is_confirmed: bool) -> None:
        """Do nothing: a visitor who has left need not be told."""


class VisitorCore(NodeCore):
    """One visitor. Time is monotonic seconds."""

    def __init__(
        self,
        ctx: Context,
        *,
        servers: Sequence[Address],
        pinned: bytes | None,
        stored: StoredVisit,
        queue: str,
        gateway: Identity | None = None,
    ) -> None:
        """`gateway`: the key of the gateway through which we come; `GatewayUnknown` follows if the
        registry does not list it."""
        self._visit: Final = Visit(
            stored, queue=queue, rng=ctx.rng, send=self._send, has_gateway=gateway is not None
        )
        self._registry: Final = VisitorRegistration(
            ctx, self, self._visit, servers=servers, pinned=pinned
        )
        self._session: Final = self._registry.session
        if gateway is not None:
            self._session.use_gateway(gateway)
        super().__init__(ctx, self._registry.connection)

    def _send(self, request: PeerRequest) -> None:
        """Queue a request for the link; without a link it is dropped, and the visit repeats it on
        the next one."""
        if self.is_linked:
            self._ctx.out.requests.append(request)

    # --- the hub

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Do nothing: the desk shows itself on a new link, and the visit repeats what is still to be
        asked then."""

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        """Give a notice of the desk to the visit; a visitor gets no others."""
        if isinstance(notice, _DESK_NOTICES):
            self._visit.handle(notice)
        else:
            self.dropped["notice"] += 1

    def line_arrived(self, data: bytes, *, now: float) -> None:
        """Drop a line of a group: a visitor is in none."""
        self.dropped["notice"] += 1

    # --- what the visitor wants

    def demand_registry(self, digits: str) -> None:
        """Accept only the registry whose key has this fingerprint, whatever key is pinned."""
        self._session.demand(digits)

    def start(self, *, now: float) -> None:
        """Look for the registry."""
        self._connection.start(self.me, table_version=0, now=now)
        self._connection.follow_up(now=now)

    def join(self, form: Form) -> None:
        """Ask for a position in the line with this form."""
        self._visit.join(form)

    def ask_position(self) -> None:
        """Ask where we are; `PositionAnswered`, `ServedAnswered` or `QuestionUnanswered`
        follows."""
        if self._session.is_lost:
            self._registry.events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.ask_position()

    def pause(self, *, is_paused: bool) -> None:
        """Let others go first, or be called in turn again; `PauseChanged`, `PositionAnswered`,
        `ServedAnswered` or `QuestionUnanswered` follows."""
        if self._session.is_lost or self._visit.stage not in ADMITTED:
            self._registry.events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.pause(is_paused=is_paused)

    def say(self, text: str, *, now: float) -> int | None:
        """Say a line to the operator, and return the id by which `MessageChanged` will name it;
        or add it to the description while we wait. It waits here while the registry is away. The
        caller keeps to TEXT_MAX."""
        return self._visit.say(text, wall=self._ctx.wall(now))

    def talk(self, text: str, *, now: float, number: int = 0) -> int | None:
        """Say a line of a talk, in our next turn if nobody serves us any more. Return its id:
        `number`, if that is above all earlier ones; None if there is no visit. The caller keeps to
        TEXT_MAX."""
        return self._visit.talk(text, wall=self._ctx.wall(now), number=number)

    def change(self, line: int, text: str | None, *, now: float) -> int | None:
        """Change a line of ours, by its id, or take it back (None). Return the id by which
        `MessageChanged` will name the change; None if we have said no such line, or there is no
        visit. The caller keeps to TEXT_MAX."""
        return self._visit.change(line, text, wall=self._ctx.wall(now))

    def send_file(self, name: str, content: bytes, *, now: float) -> DeskUpload | None:
        """Send a file to the operator. Return it on its way; None if we are not served."""
        return self._visit.send_file(name, content, wall=self._ctx.wall(now))

    def fetch_file(self, visit: int, position: int, size: int) -> DeskDownload:
        """Fetch the file of a line of this visit, or of the last one."""
        return self._visit.fetch_file(visit, position, size)

    def forget_file(self, transfer: DeskUpload | DeskDownload) -> None:
        """Go on with a file no further."""
        self._visit.forget_file(transfer)

    @property
    def files_largest(self) -> int:
        """Bytes of the largest file that the desk takes; 0: none, as far as we know."""
        return self._visit.files_largest

    def was_said(self, number: int) -> bool:
        """Return whether an earlier run has said the line with this number, as far as is known."""
        return self._visit.was_said(number)

    def describe(self, text: str, *, now: float) -> None:
        """Replace the description of our issue, while we wait. It waits here while the registry is
        away."""
        self._visit.describe(text, wall=self._ctx.wall(now))

    def rate(self, rating: int) -> None:
        """Rate the session, from 1 to 5, during it or after its end; `Rated` or
        `QuestionUnanswered` follows."""
        if self._session.is_lost:
            self._registry.events.append(visit_events.QuestionUnanswered())
        else:
            self._visit.rate(rating)

    @property
    def description(self) -> str:
        """The description of our issue; empty for none."""
        return self._visit.description

    def begin_anew(self) -> None:
        """Give the position up, if there is one, and fill in another form; `FormWanted` follows."""
        if self._visit.stage is Stage.OVER:
            self._visit.begin_anew()
        else:
            self._visit.leave()

    def lines_shown(self, position: int) -> None:
        """Note that the operator's lines up to this one have been shown."""
        self._visit.lines_shown(position)

    def leave(self, *, now: float) -> None:
        """Give the position up and leave; `has_left` tells when the registry knows it, or is known
        not to answer. If another registry answers, the ticket is kept: it is still valid at
        ours."""
        if not self._registry.is_stranger:
            self._visit.give_up()
        self._session.leave(now=now)
        self._connection.follow_up(now=now)

    @property
    def has_left(self) -> bool:
        """Whether we are not registered any more."""
        return self._session.state in (State.OFFLINE, State.REFUSED)

    @property
    def stage(self) -> Stage:
        """How far the visit is."""
        return self._visit.stage

    @property
    def pinned(self) -> bytes | None:
        """The identity key of the registry that let us in."""
        return self._session.pinned

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer."""
        return self._session.is_lost

    @property
    def is_linked(self) -> bool:
        """Whether the link to the registry is up: without it a request is dropped."""
        return self._connection.link.is_up

    @property
    def is_settled(self) -> bool:
        """Whether our position is known and all our lines have arrived or were refused, or the
        registry does not answer."""
        return self._session.is_lost or (self.is_linked and self._visit.is_settled)

    # --- what comes in

    def receive_datagrams(self, batch: Sequence[tuple[bytes, Address]], *, now: float) -> None:
        """Handle any bytes from anybody. Never answers with an error. Raises an ExceptionGroup of
        our own faults, once everything else is handled."""
        problems: list[Exception] = []
        for data, sender in batch:
            try:
                if sender not in self._session.servers or not self._session.receive_datagram(
                    data, sender, now=now
                ):
                    self.dropped["unknown kind"] += 1
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)
        try:
            self._follow_up(now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            problems.append(fault)
        drop_invalid(problems, self.dropped)

    # --- what goes out

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        return self._connection.datagrams_to_send()

    def wants_stored(self) -> StoredVisit | None:
        """Return, once, what is to be stored; None for nothing. Call `stored` when it is on
        disk."""
        return self._visit.wants_stored()

    def stored(self) -> None:
        """Note that what `wants_stored` returned is on disk."""
        self._visit.stored()

    def events(self) -> list[visit_events.VisitEvent]:
        """Return the events, once, in order."""
        events = self._registry.events + self._visit.events()
        self._registry.events.clear()
        return events
