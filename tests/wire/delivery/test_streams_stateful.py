"""Two streams over a network that may do anything to a datagram, with programs that get killed."""

import random
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatapp.wire.delivery.parts import PartBuffer
from chatapp.wire.delivery.policy import Policy
from tests.support.examples import scaled
from tests.support.promise.timers import late_parts
from tests.wire.delivery.network import Disk, End, frames_of, next_timer

POLICY: Final = Policy(window=8, window_limit=16, hold_numbers=12, assemblies=2)
LIMIT: Final = 640

sides = st.sampled_from(("alice", "bob"))
sizes = st.one_of(st.integers(0, 40), st.integers(500, 3_000), st.sampled_from((20_000, 65_536)))


class Streams(RuleBasedStateMachine):
    """The datagrams in transit are in a bag; a rule may take out any of them, so they arrive in any
    order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.lives = 0
        self.looks = 0
        self.bag: list[tuple[str, bytes]] = []
        self.sent: dict[tuple[str, int], bytes] = {}
        self.acknowledged: set[tuple[str, int]] = set()
        self.is_disk_quick = {"alice": True, "bob": True}

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ends = {name: self._live(Disk()) for name in ("alice", "bob")}
        self._introduce()

    def _live(self, disk: Disk) -> End:
        self.lives += 1
        return End(disk, POLICY, now=self.now, seed=self.lives, payload_limit=LIMIT)

    def _introduce(self) -> None:
        for name, end in self.ends.items():
            end.excused = self.ends[self._other(name)].disk.gaps

    def _other(self, name: str) -> str:
        return "bob" if name == "alice" else "alice"

    def _turn(self) -> None:
        for name, end in self.ends.items():
            for payload in end.turn(now=self.now, is_disk_quick=self.is_disk_quick[name]):
                assert len(payload) <= LIMIT
                self.bag.append((self._other(name), payload))
            for number in end.acknowledged:
                # I2: what its sender holds for delivered is on the recipient's disk, as it was
                # sent.
                assert self.ends[self._other(name)].disk.stored[number] == self.sent[name, number]
                self.acknowledged.add((name, number))
            end.acknowledged.clear()
            end.events.clear()

    def _deliver(self, at: int, *, is_kept: bool = False) -> None:
        name, payload = self.bag[at]
        if not is_kept:
            del self.bag[at]
        for frame in frames_of(payload):
            self.ends[name].delivery.receive(frame, now=self.now)
        self._turn()

    @rule(name=sides, size=sizes, count=st.integers(1, 12))
    def send(self, name: str, size: int, count: int) -> None:
        for _ in range(count if size < 3_000 else 1):
            body = self.rng.randbytes(size)
            number = self.ends[name].begin(body, now=self.now)
            self.sent[name, number] = body
        self._turn()

    @precondition(lambda self: self.bag)
    @rule(where=st.integers(0, 2**16))
    def deliver_any(self, where: int) -> None:
        self._deliver(where % len(self.bag))

    @precondition(lambda self: self.bag)
    @rule(count=st.integers(1, 200), share=st.sampled_from((0, 0, 1, 3, 5)))
    def deliver_many(self, count: int, share: int) -> None:
        """Deliver in order, but lose a share of tenths."""
        for _ in range(min(count, len(self.bag))):
            if self.rng.random() < share / 10:
                del self.bag[0]
            else:
                self._deliver(0)

    @precondition(lambda self: self.bag)
    @rule(where=st.integers(0, 2**16))
    def double(self, where: int) -> None:
        self._deliver(where % len(self.bag), is_kept=True)

    @precondition(lambda self: self.bag)
    @rule()
    def shuffle(self) -> None:
        self.rng.shuffle(self.bag)

    @precondition(lambda self: self.bag)
    @rule(where=st.integers(0, 2**16), count=st.integers(1, 50))
    def lose(self, where: int, count: int) -> None:
        at = where % len(self.bag)
        del self.bag[at : at + count]

    @rule(count=st.integers(1, 6))
    def jump_to_next_timer(self, count: int) -> None:
        for _ in range(count):
            at = next_timer(*(end.delivery for end in self.ends.values()))
            if at is None:
                return
            self.now = max(self.now, at)
            self._tick()

    @rule(span=st.sampled_from((0.001, 0.02, 0.3, 15.0, 60.0)))
    def wait(self, span: float) -> None:
        """Let time pass, also longer than planned, as if the machine slept."""
        self.now += span
        self._tick()

    def _tick(self) -> None:
        for end in self.ends.values():
            end.delivery.handle_timer(now=self.now)
        self._turn()

    @rule(name=sides, is_told=st.booleans())
    def kill_and_start(self, name: str, is_told: bool) -> None:
        self.ends[name] = self._live(self.ends[name].disk)
        self._introduce()
        if is_told:
            self.ends[self._other(name)].delivery.restart_tries(now=self.now)
        self._turn()

    @rule(name=sides)
    def kill_between_commit_and_confirm(self, name: str) -> None:
        end = self.ends[name]
        for number, body in end.waiting_for_disk.items():
            end.disk.stored.setdefault(number, body)
        self.kill_and_start(name, False)

    @rule(name=sides)
    def new_life_of_numbers(self, name: str) -> None:
        """The first number of a process comes from the clock: only a Gap frame explains the numbers
        that it skips."""
        disk = self.ends[name].disk
        disk.gaps.append((disk.next_number, disk.next_number + 5))
        disk.next_number += 5
        self.kill_and_start(name, True)

    @rule(name=sides)
    def send_given_up_again(self, name: str) -> None:
        self.ends[name].send_again(now=self.now)
        self._turn()

    @rule(name=sides, where=st.integers(0, 2**16))
    def expire(self, name: str, where: int) -> None:
        outgoing = list(self.ends[name].disk.outgoing)
        if outgoing:
            self.ends[name].let_expire(outgoing[where % len(outgoing)])
            self._turn()

    @rule(name=sides, where=st.integers(0, 2**16))
    def bring_by_mail(self, name: str, where: int) -> None:
        end = self.ends[name]
        outgoing = list(end.disk.outgoing.items())
        if outgoing:
            number, body = outgoing[where % len(outgoing)]
            self.ends[self._other(name)].receive_letter(
                number, body, floor=end.floor, since=end.since(number), now=self.now
            )
            self._turn()

    @rule(name=sides, is_quick=st.booleans())
    def change_speed_of_disk(self, name: str, is_quick: bool) -> None:
        self.is_disk_quick[name] = is_quick
        self._turn()

    @rule(name=sides)
    def fail_to_store(self, name: str) -> None:
        end = self.ends[name]
        for number in end.waiting_for_disk:
            end.delivery.reject(number)
        end.waiting_for_disk.clear()

    @invariant()
    def nothing_is_due_before_the_courier_says_so(self) -> None:
        self.looks += 1
        for end in self.ends.values() if hasattr(self, "ends") and self.looks % 4 == 0 else ():
            assert late_parts(end.delivery, shared=(PartBuffer,)) == []

    @invariant()
    def memory_is_bounded(self) -> None:
        for end in self.ends.values() if hasattr(self, "ends") else ():
            stream_receiver, stream_sender = end.delivery._receiver, end.delivery._sender
            assert end.delivery.inbox.held_count <= POLICY.hold_numbers + POLICY.unconfirmed_parts
            assert stream_receiver.bytes_held <= POLICY.assembly_bytes
            assert len(stream_receiver.unconfirmed) <= POLICY.unconfirmed_parts
            assert len(stream_sender._given_up) <= POLICY.remembered
            pieces = [
                piece for message in stream_sender.messages.values() for piece in message.pieces
            ]
            assert stream_sender._congestion.count == sum(1 for piece in pieces if piece.datagram)
            live = {piece.datagram for piece in pieces if piece.datagram}
            congestion = stream_sender._congestion
            assert live <= set(
                range(congestion._oldest, congestion._oldest + len(congestion._records))
            )

    def teardown(self) -> None:
        """Liveness: once the network heals, everything is acknowledged, and what is stored is
        shown."""
        if not hasattr(self, "ends"):
            return
        self.is_disk_quick = {"alice": True, "bob": True}
        for _ in range(3_000):
            self._turn()
            while self.bag:
                self._deliver(0)
            for end in self.ends.values():
                end.send_again(now=self.now)
            at = next_timer(*(end.delivery for end in self.ends.values()))
            if at is None and not any(end.disk.outgoing for end in self.ends.values()):
                break
            self.now = max(self.now, at) if at is not None else self.now
            self._tick()
        for name, end in self.ends.items():
            assert not end.disk.outgoing, "not everything was acknowledged"
            assert end.delivery.is_idle
            assert end.disk.stored.keys() == end.disk.marked.keys(), "stored and never shown"
            for number, body in end.disk.stored.items():
                assert body == self.sent[self._other(name), number]


Streams.TestCase.settings = settings(max_examples=scaled(50), stateful_step_count=50)
TestCouriers = Streams.TestCase
