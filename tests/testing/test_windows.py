"""Windows of one person that come, go and are killed, in virtual time: what is said is told to all,
and once, and each window knows what became of it."""

import asyncio
import gc
import random
import warnings
from collections import Counter

import pytest

from chatapp import Peer, Receipt, events
from chatapp.peer.faces.opening import running_program
from chatapp.peer.node.attached import AttachedNode
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.window import WindowNode
from chatapp.peer.rpc.place import Offer
from chatapp.testing import Town
from tests.support.nodes import kill

STEPS = 14
CALM = 90.0
"""Virtual seconds after which everything has arrived."""


class Window:
    """One program of alice."""

    def __init__(self, peer: Peer, offer: Offer | None) -> None:
        self.peer = peer
        self._offer = offer
        self.lines: list[str] = []
        """What was said here, and what was told."""
        self.states: dict[int, events.MessageState] = {}
        self.sending: dict[asyncio.Task[Receipt], str] = {}
        self.notices: list[events.Event] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, town: Town) -> "Window":
        place = town._place("person alice")
        peer = Peer(
            "alice", town.registry.address, home=place.folder, machine=place.machine, rooms=["lab"]
        )
        running = await running_program(peer)
        if running is not None:
            return cls(running, None)
        await peer.open()
        return cls(peer, Offer(peer))

    async def _read(self) -> None:
        while batch := await self.peer.next_events():
            for event in batch:
                self._take(event)
            self.peer.events_shown(batch)

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Said():
                self.lines.append(event.text)
            case events.SaidByUs(line=events.Said() as line):
                self.lines.append(line.text)
                self.states.setdefault(line.id, line.state or events.MessageState.UNSETTLED)
            case events.MailReturned(lines=lines):
                self.lines += [line.text for line in lines]
            case events.MessageChanged(id=id_, state=state):
                self.states[id_] = state
            case events.TableChanged() | events.PersonCame() | events.PersonAway():
                pass
            case _:
                self.notices.append(event)

    def say(self, text: str, *, in_room: bool) -> None:
        self.lines.append(text)
        said = self.peer.say("lab", text) if in_room else self.peer.send("bob", text)
        self.sending[asyncio.create_task(said)] = text

    @property
    def held(self) -> tuple[PeerNode, Offer] | None:
        """The node and the offer of a program that runs them."""
        node = self.peer.node
        if isinstance(node, WindowNode) and isinstance(node.inner, PeerNode):
            assert node._offer is not None
            return node.inner, node._offer
        return (node, self._offer) if isinstance(node, PeerNode) and self._offer else None

    async def quit(self) -> None:
        if self._offer is not None:
            await self._offer.end(within=0.3)
        await self.peer.close(within=0.3)
        await self._reading

    async def kill(self, town: Town) -> None:
        """End as by `kill -9`."""
        for task in self.sending:
            task.cancel()
        self._reading.cancel()
        window = self.peer.node if isinstance(self.peer.node, WindowNode) else None
        if window is not None:
            window._is_over = True
            if window._finding is not None:
                window._finding.cancel()
        if self.held is not None:
            node, offer = self.held
            (node.folder / "socket").unlink()  # which no copy of the disk can have
            with town._place("person alice").killing():
                kill(node, offer)
        elif window is not None and isinstance(window.inner, AttachedNode):
            cut(window.inner)


def cut(node: AttachedNode) -> None:
    """End the attachment of a program that is not there any more."""
    node._is_leaving = True
    if node._coming_back is not None:
        node._coming_back.cancel()
    if node._link is not None and node._link._transport is not None:
        node._link._transport.abort()


class Story:
    """Alice's windows and bob, for as many steps as a seed decides."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._rng = random.Random(seed)
        self.windows: list[Window] = []
        self.heard: list[str] = []
        """What bob heard of alice."""
        self.texts = 0

    async def live(self) -> None:
        bob = await self._town.peer("bob", rooms=["lab"])
        listening = asyncio.create_task(self._listen(bob))
        for _ in range(3):
            self.windows.append(await Window.open(self._town))
        await self._town.wait(2.0)
        for _ in range(STEPS):
            await self._step(bob)
            await self._town.wait(self._rng.choice((0.0, 0.0, 0.01, 0.3, 4.0)))
        if not self._town.registry.is_running:
            await self._town.registry.start()
        await self._town.wait(CALM)
        listening.cancel()

    async def _listen(self, bob: Peer) -> None:
        async for event in bob.events():
            lines = event.lines if isinstance(event, events.MailReturned) else (event,)
            self.heard += [line.text for line in lines if isinstance(line, events.Said)]

    async def _step(self, bob: Peer) -> None:
        rng, window = self._rng, self._rng.choice(self.windows)
        kind = rng.choice(("say", "say", "cut", "hear", "kill", "quit", "come", "registry"))
        self.texts += 1
        if kind == "say":
            window.say(f"a{self.texts}", in_room=rng.random() < 0.3)
        elif kind == "registry":
            registry = self._town.registry
            await (registry.stop() if registry.is_running else registry.start())
        elif kind == "cut" and len(self.windows) > 1:
            await self._say_and_kill()
        elif kind == "hear":
            await bob.send("alice", f"b{self.texts}")
        elif kind == "come":
            self.windows.append(await Window.open(self._town))
        elif len(self.windows) > 1 and kind in ("kill", "quit"):
            self.windows.remove(window)
            if kind == "kill":
                await window.kill(self._town)
            else:
                await window.quit()

    async def _say_and_kill(self) -> None:
        """Kill the program that runs the peer while it takes the lines of the others."""
        holder = next((window for window in self.windows if window.held), None)
        if holder is None:
            return
        self.windows.remove(holder)
        for number, window in enumerate(self.windows):
            window.say(f"a{self.texts}.{number}", in_room=False)
        for _ in range(self._rng.randrange(12)):
            await asyncio.sleep(0)
        await holder.kill(self._town)


@pytest.mark.filterwarnings(  # Python 3.13.0 fails on the connection of a killed program that is collected
    "ignore:Exception ignored in. <function _SelectorTransport:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("seed", range(24))
async def test_each_window_that_is_left_knows_everything_once(seed: int) -> None:
    async with asyncio.timeout(300.0), Town(seed=seed) as town:
        story = Story(town, seed)
        await story.live()
        last = story.windows
        past = [line.text for line in await last[0].peer.past.page(limit=1_000)]
        assert max(Counter(story.heard).values(), default=1) == 1
        assert sorted(story.heard) == sorted(text for text in past if text.startswith("a"))
        for window in last:
            for task, text in window.sending.items():
                assert await task.result().settled() in DONE, text
            assert max(Counter(window.lines).values(), default=1) == 1
            since = min(map(past.index, window.lines), default=len(past))
            assert set(window.lines) == set(past[since:])
            assert set(window.states.values()) <= DONE
            assert not [event for event in window.notices if not isinstance(event, QUIET)], (
                window.notices
            )
        talks = [await window.peer.past.conversations() for window in last]
        assert all(talk == talks[0] for talk in talks)
        await asyncio.gather(*(window.quit() for window in last))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # the system closes what the killed had open
        gc.collect()


DONE = {events.MessageState.DELIVERED, events.MessageState.SAVED}
QUIET = (
    events.ConversationRead
    | events.EnteredRoom
    | events.MemberJoined
    | events.MemberLeft
    | events.NoServerAtStart
    | events.ProgramChanged
    | events.RegistryMet
    | events.Registered
    | events.ServerBack
    | events.ServerLost
    | events.ServerStopping
    | events.Unacknowledged
)
