"""What a registry's work costs in counts: signatures, seals, system calls, batches for the disk,
calls of our own functions. A change that makes one of them dearer fails here, on any machine; how
long they take stands in `bench/`.
"""

import asyncio
import os

import pytest

from chatapp.registry.edge.edge import Output
from chatapp.registry.engine.core import RegistryCore
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.codec import encode
from chatapp.wire.identity import Identity
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.link import LinkSession
from tests.guard.counting import TEXT, Counter, calm_world, count_calls
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore
from tests.wire.test_link import Owner, connected

LETTERS = 50
CALLS_A_LETTER = 50
"""At the registry, from its frame to its answer: a tenth above what it takes."""


class TestTable:
    def test_a_change_is_signed_once_for_everybody(self, counter: Counter) -> None:
        world = calm_world(4)
        counter.watch(Identity, "sign")
        counter.watch(GroupKey, "seal")
        world.people[0].leave()
        world.network.run_for(0.2)
        # One batch; the announcement of its version follows 0.25 s after the change.
        assert counter.calls["Identity.sign"] == 1
        assert counter.calls["GroupKey.seal"] == 1

    def test_a_broadcast_is_one_object_for_all(self) -> None:
        world = calm_world(4)
        core: RegistryCore = world.machine.core
        batches: list[tuple[bytes, list[Address]]] = []
        drain = core.take_output

        def drained() -> Output:
            found = drain()
            batches.extend(found.broadcasts)
            return found

        core.take_output = drained  # type: ignore[misc]
        world.people[0].leave()
        world.network.run_for(0.2)
        assert [len(addresses) for _, addresses in batches] == [3]


class TestMail:
    def test_a_letter_costs_the_registry_few_calls_one_seal_and_no_turn_of_its_own(
        self, counter: Counter
    ) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.peer("bob")
        link = ann.link
        assert link is not None
        bob.register()
        bob.leave()
        letters = [
            ann.session.seal(
                encode(DepositMail(reference=1, recipient=bob.id, number=number, letter=b"x" * 300))
            )
            for number in range(LETTERS)
        ]
        counter.watch(LinkSession, "seal")
        counter.watch(MemoryStore, "append")

        def deposit() -> None:
            rig.core.receive_frames(link, letters, now=rig.now)
            rig.turn()

        calls = count_calls(deposit)
        assert calls <= LETTERS * CALLS_A_LETTER
        assert counter.calls["LinkSession.seal"] == LETTERS  # its answer, by which the sender knows
        assert counter.calls["MemoryStore.append"] <= 2  # a turn brings one batch to the disk


class TestLinks:
    async def test_what_the_kernel_takes_is_one_system_call_and_no_work_for_the_transport(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[int] = []
        direct = os.write

        def write(descriptor: int, data: bytes) -> int:
            written.append(len(data))
            return direct(descriptor, data)

        here, there = connected()
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: TcpLink(Owner()), sock=here
        )
        transport = link._transport
        assert transport is not None
        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(
            transport, "write", lambda data: pytest.fail("it went through the transport")
        )
        for _ in range(10):
            link.write([b"a line", b"and another"])
        assert written == [17] * 10
        link.cut("measured")
        there.close()


class TestChannel:
    def test_a_line_is_sealed_once_by_its_sender_and_never_opened_by_the_registry(
        self, counter: Counter
    ) -> None:
        world = calm_world(4)
        counter.watch(GroupKey, "seal")
        counter.watch(GroupKey, "open")
        counter.watch(LinkSession, "seal")
        world.people[0].send_all(TEXT)
        world.network.run_for(0.2)
        assert counter.calls["GroupKey.seal"] == 1
        assert counter.calls["GroupKey.open"] == 3  # its readers
        assert counter.calls["LinkSession.seal"] == 1  # the answer to the sender
