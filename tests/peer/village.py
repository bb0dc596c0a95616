"""A registry and peers over real loopback sockets and disks, in one event loop, for tests of the
SDK.

Few tests need it, since most run on the core without sockets. Tests wait for conditions and never
sleep.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.form import Form
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import fingerprint
from tests.support.ports import free_port

WITHIN = 60.0
QUICK = Policy(ack_timeout=0.1)
"""A short wait, for tests that wait in vain. A registry's disk may take longer to answer."""
Kind = TypeVar("Kind", bound=events.Event)


class Village:
    """A registry and the people around it, each with a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.faults: list[object] = []
        self._registry: Registry | None = None
        self._peers: list[Peer] = []

    @property
    def registry_timer(self) -> asyncio.TimerHandle | None:
        """The timer of the registry's sockets."""
        assert self._registry is not None
        assert self._registry._driver is not None
        return self._registry._driver.edge._timer

    async def open_registry(
        self,
        *,
        folder: Path | None = None,
        access: AccessSettings | None = None,
        desk: DeskSettings | None = None,
        servers: tuple[Address, ...] = (),
        broadcast_up_to: int = RegistryPolicy().broadcast_up_to,
    ) -> None:
        """Open the registry. `folder`: another folder makes another registry at the same address.
        `servers`: where else it answers, as it says."""
        policy = RegistryPolicy(servers=servers, broadcast_up_to=broadcast_up_to)
        self._registry = Registry(
            self.port,
            folder or self.folder,
            say=lambda line: None,
            rules=RuleSettings(desk, policy, access or AccessSettings()),
        )
        await self._registry.start()
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: self.faults.append(context)
        )

    async def close_registry(self) -> None:
        if self._registry is not None:
            registry, self._registry = self._registry, None
            await registry.stop()

    async def open_desk(self, operator: str) -> tuple[Visitor, DeskSettings]:
        """Open the registry anew with a help desk that has this operator. Return a visitor, Asha
        Rao, who waits there, and the settings of the desk."""
        async with self.peer(operator) as peer:
            key = fingerprint(bytes.fromhex((peer.folder / "identity.pub").read_text()))
        await self.close_registry()
        settings = DeskSettings(operators=(key,))
        await self.open_registry(desk=settings)
        return await self.visitor("Asha Rao"), settings

    async def visitor(self, name: str) -> Visitor:
        """Return a visitor of the help desk who waits there."""
        visitor = Visitor(Address("127.0.0.1", self.port), home=self.folder / name)
        visitor.open()
        await visitor.stage_known()
        visitor.join(Form(name=name, number="+919876543210", issue=1))
        await visitor.settled()
        return visitor

    def peer(
        self,
        name: str,
        *,
        rooms: str | Sequence[str] = (),
        gives_marks: bool = False,
        policy: Policy | None = None,
    ) -> Peer:
        place = ("127.0.0.1", self.port)
        peer = Peer(
            name,
            place,
            port=free_port(),  # for UDP, and for TCP when it offers a file
            home=self.folder,
            rooms=rooms,
            gives_marks=gives_marks,
            policy=policy,
        )
        self._peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        await self.close_registry()
        assert self.faults == [], self.faults


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    village = Village(tmp_path)
    await village.open_registry()
    yield village
    async with asyncio.timeout(WITHIN):
        await village.close()


async def next_of(peer: Peer, kind: type[Kind]) -> Kind:
    """Return the next event of this kind; all earlier ones count as shown."""
    async with asyncio.timeout(WITHIN):
        while True:
            batch = await peer.next_events()
            assert batch, "the peer has ended"
            peer.events_shown(batch)
            for place, event in enumerate(batch):
                if isinstance(event, kind):
                    peer.node.feed.main.events.extendleft(reversed(batch[place + 1 :]))
                    return event


async def sees(peer: Peer, name: str, *, online: bool) -> None:
    """Wait until the peer knows that a person is here, or away."""
    while not any(one.name == name and one.online is online for one in peer.people()):
        await asyncio.wait_for(peer.next_events(), WITHIN)


async def outcome_of(receipt: Receipt) -> MessageState:
    return await asyncio.wait_for(receipt.settled(), WITHIN)
