"""Two full screens of one person whose program is killed: both know the same afterwards."""

from contextlib import AsyncExitStack

from chatapp.peer.api.conversations import EVERYBODY, person
from chatapp.peer.rpc.place import Offer
from chatapp.peer.words.formatting import Mark
from tests.peer.faces.full.playing import Played
from tests.peer.village import Village, outcome_of, village
from tests.support.nodes import kill, node_of

__all__ = ["village"]

BOB = person("bob")


def log_of(screen: Played) -> list[tuple[str, str, Mark | None]]:
    entries = screen.view.panes.pane(BOB).log.entries
    return [(entry.sender, entry.text, entry.mark) for entry in entries if entry.id]


async def test_full_screens_know_the_same_after_a_kill(village: Village) -> None:
    async with AsyncExitStack() as undo:
        bob = await undo.enter_async_context(village.peer("bob"))
        alice = village.peer("alice")
        await alice.open()
        await alice.ready()
        offer = Offer(alice)
        screens: list[Played] = []
        for _ in range(2):
            window = village.peer("alice").beside()
            await window.open()
            undo.push_async_callback(window.close)
            played = Played(window, has_started=True).on_screen()
            screens.append(await undo.enter_async_context(played))
        first, second = screens
        for screen in screens:
            await screen.shows("● bob")
            screen.app.open_conversation(EVERYBODY)
        for text in ("one", "two"):
            await outcome_of(await bob.send("alice", text))
        for screen in screens:
            await screen.counts("bob", 2)
        first.app.open_conversation(BOB)
        await second.counts("bob", 0)  # what was read in one window is read in all
        await first.type("before")
        await first.until(lambda: ("you", "before", Mark.RECEIVED) in log_of(first))

        kill(node_of(alice), offer)
        await first.type("meanwhile")
        await second.type("/msg bob from the other")
        await first.until(lambda: ("you", "meanwhile", Mark.RECEIVED) in log_of(first))
        await outcome_of(await bob.send("alice", "for all"))
        second.app.open_conversation(BOB)
        await second.until(lambda: len(log_of(second)) == 6)
        await first.until(lambda: log_of(first) == log_of(second))
        assert {mark for who, _, mark in log_of(first) if who == "you"} == {Mark.RECEIVED}
        for screen in screens:
            await screen.until(lambda screen=screen: screen.view.panes.pane(BOB).unread == 0)  # type: ignore[misc]
