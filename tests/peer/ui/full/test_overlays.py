"""The overlays in the real screen with real peers: what opens them, what they show, and what a choice does."""

from textual.widgets import Input

from chatapp.peer.core.conversations import person
from tests.peer.ui.full.playing import Played
from tests.peer.village import Village, village  # noqa: F401


async def test_keys_open_overlays_and_choices_are_carried_out(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        async with village.peer("alice") as before:
            await before.send("bob", "did the probe come up?")
            for number in range(40):
                await before.send("bob", f"number {number:03}")
            await before.settled()
        alice = village.peer("alice")
        await alice.open()
        async with Played(alice).on_screen() as screen:
            await screen.shows("number 039", "● bob")
            await screen.press("f1")
            await screen.shows("Help", "keys and", "Ctrl-K")
            await screen.press(*"your room", "space", *"topic", "enter")
            await screen.until(lambda: screen.app.composer.text == "/topic ")
            screen.app.composer.put("")
            # F3: the line that was found is selected in its conversation.
            await screen.press("f3", *"probe")
            await screen.shows("1 message found.", "alice to bob")
            await screen.press("ctrl+n", "pagedown", "alt+2")  # keys of the screen below
            assert screen.session.open_pane.conversation == person("bob")
            await screen.press("enter")
            await screen.until(lambda: screen.app.selected_entry is not None)
            assert screen.app.selected_entry is not None
            assert screen.app.selected_entry.text == "did the probe come up?"
            # Enter: how it travelled.
            await screen.press("enter")
            await screen.shows("How this message travelled", "acknowledged by bob")
            await screen.press("ctrl+c")
            await screen.hides("How this message travelled")
            assert not screen.running.is_over
            await screen.press("f2")
            await screen.shows("Doctor", "Your name: fine, alice is registered.")
            await screen.press("escape")
            # Ctrl-K: a room that does not exist yet is made.
            await screen.press("ctrl+k", *"attic")
            await screen.shows("Go to", "a new room")
            await screen.press("enter")
            await screen.shows("# attic · 1 here")
            assert "There are no rooms" not in screen.text  # the overlay has asked, and not the user
            await screen.type("/table")
            await screen.shows("People", "2 people, 2 online.", "127.0.0.1")
            await screen.press("escape")
            await screen.hides("2 people")
            assert bob.name == "bob"


async def test_events_and_sizes_come_while_an_overlay_is_open(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        alice = village.peer("alice")
        await alice.open()
        async with Played(alice).on_screen(120, 40) as screen:
            await screen.shows("● bob")
            await screen.press("f3")
            await screen.shows("Type words that the message contains.")
            for size in ((40, 12), (30, 8), (80, 24), (40, 12), (120, 40)):
                await screen.pilot.resize_terminal(*size)
                await bob.send("alice", f"at {size[0]} columns")
            await screen.shows("Type words that the message contains.")
            screen.app.screen.query_one(Input).value = "columns"
            await screen.shows("5 messages found.", "at 30 columns")
            await screen.press("f1")  # one overlay is open at a time
            await screen.press("escape")
            await screen.hides("Search")
            await screen.press("alt+a")
            await screen.shows("bob  at 120 columns")
