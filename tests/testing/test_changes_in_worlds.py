"""What is said, changed, taken back and cancelled over a network that loses a fifth, with a registry that goes away and
programs that are killed: both read the same in the end, and nobody what was cancelled."""

import contextlib
import random
from typing import Final

import pytest

from chatapp import ChangeRefused, Peer, person, room
from chatapp.peer.api.events import MessageReason, MessageState, Said
from chatapp.peer.node.receipts import Receipt
from chatapp.testing import Town

DEEDS: Final = 60
SETTLES_WITHIN: Final = 240.0
Told = dict[int, tuple[str, bool, bool, list[tuple[str, ...]]]]
"""By number: text, whether it was taken back, or edited, and who put an emoji to it."""


class World:
    """Two people, and what they do."""

    def __init__(self, town: Town, seed: int, peers: list[Peer]) -> None:
        self.town: Final = town
        self.peers: Final = peers
        self.cancelled: Final[set[str]] = set()
        self._rng: Final = random.Random(seed)
        self._said = 0

    async def go_on(self) -> None:
        """Do one thing."""
        me, other = self._rng.sample(self.peers, 2)
        match self._rng.randrange(9):
            case 0 | 1 | 2 | 3:
                await self._say(me, other)
            case 4 | 5 | 6:
                where = self._rng.choice((person(other.name), room("lab")))
                for line in (await me.past.page(where, limit=4))[-1:]:
                    await self._change(me, line, line.text)
            case 7:
                registry = self.town.registry
                await (registry.stop() if registry.is_running else registry.start())
            case _:
                await self.town.kill(me)
                await self.town.restart(me)
        await self.town.wait(self._rng.choice((0.0, 0.1, 1.0, 6.0)))

    async def _say(self, me: Peer, other: Peer) -> None:
        """Say up to three things at once, and think better of the last one."""
        is_direct = self._rng.random() < 0.5
        for _ in range(self._rng.randint(1, 3)):
            self._said += 1
            text = f"text {self._said}."
            say = me.send(other.name, text) if is_direct else me.say("lab", text)
            receipt = await say
        if receipt.id and self._rng.random() < 0.5:
            await self._change(me, receipt, text)

    async def _change(self, me: Peer, line: Said | Receipt, text: str) -> None:
        with contextlib.suppress(ChangeRefused):
            if isinstance(line, Said) and not line.is_ours:
                await me.react(line, "👍")
            elif self._rng.random() < 0.5:
                await me.edit(line, f"{text} again")
            elif (await me.cancel(line)).reason is MessageReason.CANCELLED:
                self.cancelled.add(text)


async def read(reader: Peer, author: Peer, other: Peer, *, in_room: bool) -> Told:
    """Return what somebody reads of what an author has said to the other one, or in the room."""
    direct = person(other.name if reader is author else author.name)
    return {
        line.number: (
            line.text,
            line.is_retracted,
            line.is_edited,
            sorted(one.names for one in line.reactions),
        )
        for line in await reader.past.page(room("lab") if in_room else direct, limit=1_000)
        if line.is_ours is (reader is author) and line.state is not MessageState.REFUSED
    }


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
async def test_both_read_the_same_and_nobody_what_was_cancelled(seed: int) -> None:
    async with Town(seed) as town:
        peers = [await town.peer(name, rooms="lab") for name in ("alice", "bob")]
        for peer in peers:
            await peer.rooms_settled()
        world = World(town, seed, peers)
        town.lose(0.2)
        for _ in range(DEEDS):
            await world.go_on()
        town.lose(0.0)
        if not town.registry.is_running:
            await town.registry.start()
        await town.wait(SETTLES_WITHIN)
        assert world.cancelled
        for author, other in (peers, peers[::-1]):
            for in_room in (False, True):
                told = await read(other, author, other, in_room=in_room)
                assert told == await read(author, author, other, in_room=in_room)
                assert not world.cancelled & {text for text, *_ in told.values()}
