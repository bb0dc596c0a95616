"""The fronts of a cluster's other nodes, on the house's side: the house is announced, fronts come in, and lost ones go."""

from collections.abc import Sequence
from typing import Final, assert_never

import msgspec

from chatapp.registry.cluster.bus.channel import Channel
from chatapp.registry.cluster.bus.messages import (
    ID_SIZE,
    NEWS,
    AdminAsked,
    DatagramRequestCame,
    DownBundle,
    EnterHouse,
    FrontDismissed,
    FrontLeft,
    GroupFrameCame,
    HouseEntered,
    HouseLeft,
    HouseNews,
    LifeSeen,
    LinkGone,
    LinkRequestCame,
    RegisterCame,
    UpBundle,
    UpItem,
    decode_up,
    front_subject,
    unpack_address,
)
from chatapp.registry.cluster.bus.remote_front import RemoteFront
from chatapp.registry.cluster.bus.session import BEAT, LATE_AFTER, PATIENCE, SILENT_AFTER, Order
from chatapp.registry.cluster.stream.bundles import Opener, Sealer
from chatapp.registry.engine.engine import House
from chatapp.registry.rules.effects import LOCAL, Caller, DropReason, link_at
from chatapp.registry.telemetry.recorder import Recorder
from chatapp.wire.errors import DecodeError
from chatapp.wire.framing import unpack_group
from chatapp.wire.identity import Identity
from chatapp.wire.messages.link import Attach
from chatapp.wire.sessions.opening import Randomness

TABLE_SPAN: Final = 0.05
"""Seconds between two parts of the whole table for the same front: 20 MB, as for 100,000 names, take 1 s."""
FRONTS_REMEMBERED: Final = 4_096
"""Fronts whose newest session is remembered. Each start of a node is another front."""


class Fronts:
    """Lets the fronts of other nodes use a house."""

    def __init__(
        self,
        house: House,
        *,
        identity: Identity,
        term: int,
        name: str,
        sealer: Sealer,
        opener: Opener,
        rng: Randomness,
        recorder: Recorder,
        now: float,
    ) -> None:
        """`term`: higher than that of any house before. `name`: the node's, for people. `sealer`: with a salt of its own,
        which seals nothing else."""
        self._house = house
        self._seed = identity.seed
        self._channel: Final = Channel(sealer, opener, recorder)
        self._recorder = recorder
        self._news: Final = HouseNews(rng.randbytes(ID_SIZE), term, name)
        self._fronts: dict[bytes, RemoteFront] = {}
        """By the front's id: those in session, and those that were let in and have not said anything yet."""
        self.is_overtaken = False
        """Whether another house with a higher term is there while the lease is not confirmed: this one is to end, and knows
        it before its lease is lost. While the lease is confirmed no other house can be there, whatever the bus says."""
        self._newest_runs: dict[bytes, bytes] = {}
        """The newest session of each front that was ever let in, by the front's id, the oldest first."""
        self._last_node = LOCAL
        self._beat_at = now
        self._tell_at = float("inf")
        """When the next rows go to fronts that have not the whole table."""
        self._patient_until = float("-inf")
        self._has_left = False

    @property
    def present(self) -> list[RemoteFront]:
        """The fronts in session."""
        return [front for front in self._fronts.values() if front.session.has_begun]

    def lag(self, *, now: float) -> float:
        """Return the seconds since the most silent front was heard; 0 without one."""
        return max((now - front.session.heard_at for front in self.present), default=0.0)

    # --- from the bus

    def receive(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus."""
        match self._channel.open(data):
            case UpBundle() as bundle if bundle.house == self._news.house:
                self._receive_bundle(bundle, now)
            case EnterHouse() as request if request.house == self._news.house:
                self._receive_enter(request, now)
            case FrontLeft() as left if left.house == self._news.house:
                front = self._fronts.get(left.front)
                if front is not None and front.session.run == left.run:
                    self._lose(front, now)
            case HouseNews(term=term) if term > self._news.term and not self._house.holds_lease(now):
                self.is_overtaken = True
            case HouseNews(house=house) if house == self._news.house:
                pass
            case HouseLeft() | None:
                pass
            case _:
                self._channel.drop(DropReason.BUS_OTHER_SESSION)

    def _receive_enter(self, request: EnterHouse, now: float) -> None:
        """Let a front in. The session stands once its first bundle comes; until then the request may be repeated."""
        front = self._fronts.get(request.front)
        newest = self._newest_runs.get(request.front, b"")
        if request.run < newest or (request.run == newest and front is None):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._dismiss(request.front, request.run)
            return
        if request.run > newest:
            if front is not None:
                self._lose(front, now)
            self._note_run(request)
            self._last_node += 1
            table = self._house.service.directory.table
            front = RemoteFront(
                request.front, request.run, self._last_node, request.name, table=table, now=now
            )
            self._fronts[front.id] = front
        assert front is not None
        if not front.session.has_begun:
            front.session.heard_at = now
            lease = self._house.lease_span
            entered = HouseEntered(self._news.house, request.run, front.node, self._seed, lease)
            self._channel.send(front_subject(front.id), entered)

    def _note_run(self, request: EnterHouse) -> None:
        self._newest_runs.pop(request.front, None)
        self._newest_runs[request.front] = request.run
        if len(self._newest_runs) > FRONTS_REMEMBERED:
            del self._newest_runs[next(iter(self._newest_runs))]

    def _receive_bundle(self, bundle: UpBundle, now: float) -> None:
        front = self._fronts.get(bundle.front)
        if front is None or front.session.run != bundle.run:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._dismiss(bundle.front, bundle.run)
            return
        order = front.session.accept(bundle.number, now=now)
        if order is Order.REPEATED:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
        elif order is Order.GAP:
            self._channel.drop(DropReason.BUS_GAP)
            self._lose(front, now)
            self._dismiss(bundle.front, bundle.run)
        else:
            if front.node not in self._house.fronts:
                self._house.fronts[front.node] = front
                self._tell_at = min(self._tell_at, now)
            self._serve(bundle.items, front, now)

    def _dismiss(self, front: bytes, run: bytes) -> None:
        self._channel.send(front_subject(front), FrontDismissed(self._news.house, run))

    def _lose(self, front: RemoteFront, now: float) -> None:
        """Forget a front: its people are away, until they come in at another one."""
        del self._fronts[front.id]
        if front.session.has_begun:
            self._house.node_lost(front.node, front.links, now=now)
            self._house.settle(now=now)

    # --- what fronts ask

    def _serve(self, items: Sequence[msgspec.Raw], front: RemoteFront, now: float) -> None:
        """Hand each item to the house by itself: a fault of ours in one must not cost those behind it."""
        front.session.note_handled(sum(map(len, items)))
        for raw in items:
            try:
                self._serve_one(decode_up(raw), front, now)
            except DecodeError:
                self._channel.drop(DropReason.BUS_MALFORMED)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._recorder.fault(error)
                front.asking = 0
        self._house.settle(now=now)

    def _serve_one(self, item: UpItem, front: RemoteFront, now: float) -> None:
        house, node = self._house, front.node
        match item:  # the most frequent first
            case LinkRequestCame() | GroupFrameCame():
                if front.has_ended(item.link):
                    self._channel.drop(DropReason.LINK_HAS_ENDED)
                else:
                    self._serve_on_link(item, front, now)
            case LifeSeen():
                house.sign_of_life(item.identity, now=now)
            case DatagramRequestCame():
                caller = Caller(
                    identity=item.identity,
                    address=unpack_address(item.address),
                    node=node,
                    session=item.session,
                    is_newest=item.is_newest,
                )
                house.request(item.request, caller, now=now)
            case RegisterCame():
                identity, address = item.register.card.identity, unpack_address(item.address)
                house.register(item.register, Caller(identity=identity, address=address, node=node), now=now)
            case LinkGone():
                front.detached(item.link)
                house.link_lost(item.identity, link_at(node, item.link), now=now)
            case AdminAsked():
                house.run_admin_request(item.request, item.ticket, node=node, now=now)
            case _:
                assert_never(item)

    def _serve_on_link(self, item: LinkRequestCame | GroupFrameCame, front: RemoteFront, now: float) -> None:
        front.asking = item.link
        caller = Caller(identity=item.identity, link=link_at(front.node, item.link))
        if isinstance(item, GroupFrameCame):
            self._house.group_frame(item.frame, unpack_group(item.frame), caller, now=now)
        else:
            if isinstance(item.request, Attach):
                front.attached(item.link, item.identity)
            self._house.request(item.request, caller, now=now)
        self._house.sign_of_life(item.identity, now=now)
        front.asking = 0

    # --- time

    def leave(self) -> None:
        """Tell the fronts that the house serves nobody any more. As another subject than theirs carries it, it may overtake
        bundles, which the fronts then carry out all the same."""
        self._send_bundles()
        self._channel.send(NEWS, HouseLeft(self._news.house))
        self._has_left = True

    def handle_timer(self, *, now: float) -> None:
        """Do what is due: the news, signs of life to the fronts, and the loss of those that are silent."""
        if self._has_left:
            return
        if (
            now > self.next_timer() + LATE_AFTER
        ):  # we were stopped, and what came meanwhile is still to be read
            self._patient_until = now + PATIENCE
        for front in list(self._fronts.values()):
            if now >= self._silent_at(front):
                self._lose(front, now)
                self._dismiss(front.id, front.session.run)
        if now >= self._tell_at:
            self._tell_tables(now)
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            self._channel.send(NEWS, self._news)
            for front in self.present:
                front.session.beat()

    def _tell_tables(self, now: float) -> None:
        """Send the next rows to each front that has not the whole table."""
        for front in self.present:
            if not front.has_table:
                front.tell_next_of_table()
        are_told = all(front.has_table for front in self.present)
        self._tell_at = float("inf") if are_told else now + TABLE_SPAN

    def _silent_at(self, front: RemoteFront) -> float:
        return max(front.session.heard_at + SILENT_AFTER, self._patient_until)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        if self._has_left:
            return float("inf")
        return min([self._beat_at, self._tell_at, *map(self._silent_at, self._fronts.values())])

    # --- out

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order within a subject."""
        if not self._has_left:
            self._send_bundles()
        return self._channel.take_messages()

    def _send_bundles(self) -> None:
        for front in self.present:
            for number, items in front.take_bundles():
                session = front.session
                bundle = DownBundle(self._news.house, session.run, number, session.newest_received, items)
                self._channel.send(front_subject(front.id), bundle)
