"""The overlays in the real screen with real peers: what opens them, what they show, and what a
choice does."""

from textual.widgets import Input

from chatapp.peer.api.conversations import person
from chatapp.peer.api.form import Form
from chatapp.peer.faces.full.theme import ASCII
from chatapp.peer.sdk.visitor import Visitor
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.address import Address
from chatapp.wire.identity import fingerprint
from tests.peer.faces.full.playing import Played, alice_has_said, alices_screen
from tests.peer.village import Village, village  # noqa: F401


async def test_keys_open_overlays_and_choices_are_carried_out(village: Village) -> None:  # noqa: F811
    async with village.peer("bob"):
        await alice_has_said(
            village, "did the probe come up?", *(f"number {number:03}" for number in range(40))
        )
        async with alices_screen(village) as screen:
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
            assert screen.view.open_pane.conversation == person("bob")
            await screen.press("enter")
            await screen.until(lambda: screen.app.selected_entry is not None)
            assert screen.app.selected_entry is not None
            assert screen.app.selected_entry.text == "did the probe come up?"
            # Enter: how it was delivered.
            await screen.press("enter")
            await screen.shows("How this message was delivered", "acknowledged by bob")
            await screen.press("ctrl+c")
            await screen.hides("How this message was delivered")
            assert not screen.running.is_over
            await screen.press("f2")
            await screen.shows("Doctor", "Your name: fine, alice is registered.")
            await screen.press("escape")
            # Ctrl-K: a room that does not exist yet is made.
            await screen.press("ctrl+k", *"attic")
            await screen.shows("Go to", "a new room")
            await screen.press("enter")
            await screen.shows("# attic · 1 here")
            assert (
                "There are no rooms" not in screen.text
            )  # the overlay has asked, and not the user
            await screen.type("/table")
            await screen.shows("People", "2 people, 2 online.", "127.0.0.1")
            await screen.press("escape")
            await screen.hides("2 people")


async def test_events_and_sizes_come_while_an_overlay_is_open(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, alices_screen(village, 120, 40) as screen:
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


async def test_an_operator_serves_visitors_by_keys(village: Village) -> None:  # noqa: F811
    alice = village.peer("alice")
    async with alice:
        key = fingerprint(bytes.fromhex((alice.folder / "identity.pub").read_text()))
    await village.close_registry()
    await village.open_registry(desk=DeskSettings(operators=(key,)))
    visitors = []
    for number, name in enumerate(("Asha Rao", "Ben Okafor")):
        visitor = Visitor(Address("127.0.0.1", village.port), home=village.folder / name)
        visitor.open()
        visitors.append(visitor)
        await visitor.stage_known()
        visitor.join(Form(name=name, number=f"+91987654321{number}", issue=1))
        await visitor.settled()
    await alice.open()
    async with Played(alice).on_screen(120, 40) as screen:
        await screen.until(lambda: alice.desk.is_operator)
        await screen.press("f5")
        await screen.shows(
            "on duty · 1 waiting", "Asha Rao", "with you for 0 min", "1 0 min Ben Okafor"
        )
        await screen.type(".note wants to be [/]called back")
        await screen.shows("Note wants to be [/]called back", "Note about Asha Rao kept.")
        await screen.press("f10")
        await screen.shows("Transfer to which queue?")
        await screen.press(*"nowhere", "enter")
        await screen.shows("There is no queue of that name.")
        await screen.press("alt+d")
        await screen.shows("Help desk", "F7 end")
        await screen.press("f7")
        await screen.shows("Ben Okafor", "Number +919876543211")
        await screen.press("escape", "f5")
        await screen.shows("off duty", "F5 go on duty")
        assert "Waiting room:" not in screen.text  # the pane has asked, and not the user
        await screen.type(".room")
        await screen.shows("Waiting room: empty.")
    for visitor in visitors:
        await visitor.close(within=1.0)


async def test_overlays_are_drawn_in_ascii_where_the_terminal_has_nothing_else(
    village: Village,  # noqa: F811
) -> None:
    async with village.peer("bob"):
        await alice_has_said(village, "the probe came up " * 30 + "at noon " + "and went on " * 30)
        async with alices_screen(village, 40, 12, signs=ASCII) as screen:
            await screen.shows("alice")
            for keys, title in (
                (("f1",), "Help"),
                (("f2",), "Doctor"),
                (("f3", *"noon"), "1 message found."),
                (("ctrl+k",), "Go to"),
                (("alt+2", "shift+up", "enter"), "How this message was delivered"),
            ):
                await screen.press(*keys)
                await screen.shows(title, "Esc close")
                assert [row for row in screen.rows if not row.isascii()] == []
                await screen.press("escape")
                await screen.hides("Esc close")
