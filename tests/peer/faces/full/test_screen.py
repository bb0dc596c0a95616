"""The full screen with real peers: what stands on it, and what keys do."""

import pytest
from textual.events import Paste

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.faces.full.theme import ASCII
from chatapp.peer.sdk.client import Peer
from tests.peer.faces.full.playing import Played, alice_has_said, alices_screen
from tests.peer.village import Village, next_of, sees, village  # noqa: F401
from tests.support.nodes import node_of

HOSTILE = ["[/]", "[@click=app.quit]x[/]", "$error [bold]", "\x1b]0;owned\x07\x1b[2J"]


def selected(screen: Played) -> str | None:
    entry = screen.app.selected_entry
    return None if entry is None else entry.text


async def test_a_message_goes_both_ways_with_a_mark(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, alices_screen(village) as screen:
        await screen.shows("Conversations", "● bob", "* everybody", "alice · 2 online", "F1 help")
        await bob.send("alice", "did the probe come up?")
        await screen.counts("bob", 1)
        await screen.press("alt+a")
        await screen.shows("bob · online", "bob  did the probe come up?")
        await screen.counts("bob", 0)
        await screen.type("yes, at the second try")
        await screen.shows("you  yes, at the second try", "✓")
        for text in HOSTILE:
            await bob.send("alice", f"a{text}b")
            visible = text.replace("\x1b", "\\x1b").replace("\x07", "\\x07")
            await screen.shows(f"bob  a{visible}b")
        assert not screen.running.is_over


async def test_lines_count_as_shown_and_read_when_they_were_painted(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, village.peer("carol") as carol:
        alice = village.peer("alice")
        await alice.open()
        shown: list[str] = []
        node_of(alice).listen_shown(lambda lines: shown.extend(line.text for line in lines))
        async with Played(alice).on_screen() as screen:
            await screen.shows("● bob", "● carol", "First contact")
            await carol.send("alice", "from carol")
            await bob.send("alice", "from bob")
            await screen.counts("bob", 1)
            await screen.counts("carol", 1)
            await screen.press(
                "alt+2" if screen.app._rows[1].conversation == person("bob") else "alt+3"
            )
            await screen.until(lambda: shown == ["from bob"])
            await screen.counts("bob", 0)
            states = {str(one.conversation): one.unread for one in await alice.past.conversations()}
            assert states == {"bob": 0, "carol": 1}
        assert shown == ["from bob"]


async def test_events_stand_where_they_belong(village: Village) -> None:  # noqa: F811
    bob = village.peer("bob", rooms="lab")
    await bob.open()
    await bob.ready()
    async with alices_screen(village, rooms="lab") as screen:
        await screen.shows("# lab · 2 here", "You are in lab with bob.")
        bob.set_topic("lab", "the second sensor")
        await screen.shows("# lab · 2 here: the second sensor")
        screen.app.open_conversation(EVERYBODY)
        await screen.shows("* everybody · 2 online")
        await bob.say("lab", "anybody here?")
        await screen.counts("lab", 1)
        assert "anybody here?" not in screen.text
        await screen.type("/who")
        await screen.shows("bob is online.")
        screen.app.open_conversation(room("lab"))
        await screen.shows("── new ─", "bob  anybody here?")
        assert "bob is online." not in screen.text
        await screen.type("/msg bob are you there?")
        await screen.shows("bob · online", "you  are you there?", "✓")
        await bob.close()
        await screen.shows("○ bob", "away since", "bob has left.")


async def test_the_death_of_the_registry_is_a_rule_and_an_alarm(village: Village) -> None:  # noqa: F811
    bob = village.peer("bob")
    await bob.open()
    await bob.ready()
    async with alices_screen(village) as screen:
        await screen.shows("● bob")
        await sees(bob, "alice", online=True)
        await village.close_registry()
        await screen.shows("server away", "the server is away; direct chat goes on ─")
        screen.app.open_conversation(person("bob"))
        await screen.type("still here?")
        await screen.shows("you  still here?", "✓")
        screen.app.open_conversation(EVERYBODY)
        await screen.type("and the others?")
        await screen.shows("Send this to everybody (1 person)? y/N")
        await screen.type("y")
        await screen.shows("you  and the others?", "⧖", "Server not responding.")
        await village.open_registry()
        await screen.shows("the server is back ─", "✓")
        await screen.hides("server away")


async def test_a_room_where_the_user_is_not_takes_no_line(village: Village) -> None:  # noqa: F811
    async with (
        village.peer("bob", rooms="lab"),
        alices_screen(village, columns=120, rooms="physics") as screen,
    ):
        alice = screen.peer
        await screen.shows("# physics · 1 here")
        await screen.type("/join lab")
        await screen.shows("# lab · 2 here")
        await screen.type("/room physics")
        await screen.shows("# physics · 1 here", "Say something in physics")
        await screen.type("/leave")
        await screen.shows("you are not in this room: press Enter to join physics")
        await screen.type("hello?")
        await screen.shows("You are not in physics, so nothing was sent")
        await screen.type("")
        await screen.shows("# physics · 1 here")
        await screen.type("leave")
        await screen.shows("Send this to physics? y/N")
        await screen.type("n")
        await screen.shows("Nothing was sent.")
        assert [one.name for one in alice.rooms] == ["lab", "physics"]


async def test_keys_go_through_the_list_and_the_log(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, alices_screen(village, 40, 12) as screen:
        await screen.shows("Start ·", "F1 shows all", "> bob: hello", "alice · 2 online")
        assert "Conversations" not in screen.text
        await screen.press("f4")
        await screen.shows("Conversations", "● bob")
        await screen.press("down", "enter")
        await screen.shows("bob · online", "> Write to bob")
        for number in range(20):
            await bob.send("alice", f"number {number}")
        await screen.shows("number 19")
        await screen.press("pageup")
        await screen.shows("newer messages")
        await bob.send("alice", "one more")
        await screen.until(lambda: screen.view.open_pane.log.newest_id > 20)
        assert "one more" not in screen.text
        await screen.press("escape")
        await screen.shows("one more")
        await screen.press("shift+up", "shift+up")
        await screen.until(lambda: selected(screen) == "number 19")
        await screen.press("x")
        await screen.until(lambda: selected(screen) is None)
        await screen.press("ctrl+n")
        await screen.shows("* everybody")
        assert screen.app.composer.text == ""
        await screen.press("ctrl+p")
        await screen.until(lambda: screen.app.composer.text == "x")  # what was typed is kept
        await screen.pilot.resize_terminal(30, 10)
        await screen.shows("The window is 30 x 10", "40 x 12.")
        await screen.pilot.resize_terminal(120, 40)
        await screen.shows("Conversations", "one more")
        await screen.press("ctrl+c")
        assert screen.app.composer.text == ""
        await screen.press("ctrl+c")
        assert screen.running.is_over


async def test_the_input_has_a_history_completion_and_asks_before_a_paste_is_sent(
    village: Village,  # noqa: F811
) -> None:
    async with (
        village.peer("barbara"),
        village.peer("barney"),
        alices_screen(village, signs=ASCII) as screen,
    ):
        alice = screen.peer
        await screen.shows("+ barbara", "+ barney")
        composer = screen.app.composer
        await screen.press("slash", "q", "u", "e", "r", "tab", "space", "b", "tab")
        assert composer.text == "/query bar"
        await screen.shows("barbara", "barney")
        await screen.press("tab", "tab", "enter")
        await screen.shows("> Write to barney")
        await screen.press("h", "i", "enter")
        await screen.shows("you  hi", "ok")
        await screen.press("n", "e", "up")
        assert composer.text == "hi"
        await screen.press("up", "up", "down", "down")
        assert composer.text == "ne"
        composer.put("")
        composer.post_message(Paste("one\r\ntwo\n"))
        await screen.shows("Send 2 lines as one message? (y/n)")
        await screen.press("n")
        await screen.hides("Send 2 lines")
        assert composer.text == ""
        composer.post_message(Paste("one\r\ntwo\n"))
        await screen.shows("Send 2 lines")
        await screen.press("y")
        await screen.shows("you  one", "two")
        lines = await alice.past.page(person("barney"))
        assert lines[-1].text == "one\ntwo"


async def test_the_past_is_read_page_by_page_and_jumped_into(village: Village) -> None:  # noqa: F811
    async with village.peer("bob"):
        await alice_has_said(village, *(f"number {number:03}" for number in range(230)))
        async with alices_screen(village) as screen:
            alice = screen.peer
            await screen.shows("you  number 229", "you  number 215")
            book = screen.view.open_pane.log
            assert len([one for one in book.entries if one.id]) == 100
            first = book.oldest_id
            await screen.press("ctrl+home")
            await screen.until(lambda: book.oldest_id != first)
            await screen.shows("you  number 130")
            screen.app.open_conversation(EVERYBODY)
            wanted = (await alice.past.search("number 005"))[0]
            assert await screen.app.jump_to(wanted.conversation, wanted.id)
            await screen.shows("bob · online", "you  number 005")
            assert screen.app.selected_entry is book.by_id(wanted.id)
            assert not await screen.app.jump_to(wanted.conversation, 10**9)


async def test_what_a_jump_has_left_out_is_read_when_it_comes_near(village: Village) -> None:  # noqa: F811
    async with village.peer("bob"):
        await alice_has_said(village, *(f"number {number:03}" for number in range(300)))
        async with alices_screen(village) as screen:
            alice = screen.peer
            await screen.shows("you  number 299")
            book = screen.view.open_pane.log
            wanted = (await alice.past.search("number 005"))[0]
            assert await screen.app.jump_to(wanted.conversation, wanted.id)
            await screen.shows("you  number 005")
            assert [book.entries[book.place_of(gap) or 0].text for gap in book.gaps] == [
                "number 200"
            ]
            for _ in range(40):
                await screen.press("pagedown")
                await screen.until(lambda: not screen.view.open_pane.is_loading)
            await screen.shows("you  number 299")
            assert not book.gaps
            talk = [entry.text for entry in book.entries if entry.id]
            assert talk == [f"number {number:03}" for number in range(300)]


async def test_what_came_while_away_is_new_in_its_conversation(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        async with village.peer("alice"):
            pass
        await bob.send("alice", "for your return")
        await bob.settled()
        async with alices_screen(village) as screen:
            await screen.shows("bob")
            screen.app.open_conversation(person("bob"))
            await screen.shows("── new ─", "bob  for your return")
            assert screen.text.count("for your return") == 1


async def test_a_key_that_has_changed_is_told_loudly_in_its_conversation(village: Village) -> None:  # noqa: F811
    async with alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("alice · 1 online")
        node_of(alice).tell([events.KeyChanged(name="bob")])
        await screen.until(lambda: any(row.calls for row in screen.view.rows()))
        await screen.press("alt+a")
        await screen.shows("!  The key of bob has changed")


@pytest.mark.parametrize("columns", [80, 120])
async def test_a_refused_start_ends_with_a_line(village: Village, columns: int) -> None:  # noqa: F811
    async with village.peer("alice"):
        other = Peer("alice", ("127.0.0.1", village.port), home=village.folder / "elsewhere")
        await other.open()
        played = Played(other)
        async with played.on_screen(columns):
            await played.until(lambda: played.running.is_over)
        assert played.view.last_words[0] == "[Name alice is taken.]"


async def test_the_start_page_sends_nothing_that_names_nobody(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, alices_screen(village) as screen:
        await screen.shows("Start ·", "Welcome, alice.", "● bob", "> bob: hello")
        await screen.type("hello")
        await screen.shows("Nobody was named: bob: hello sends it")
        await screen.press("tab")
        await screen.shows("send  join  who")
        screen.app.composer.put("")
        await screen.press("ctrl+n")
        await screen.shows("* everybody · 2 online")
        await screen.type("hello all")
        await screen.shows("Send this to everybody (1 person)? y/N")
        assert "you  hello all" not in screen.text
        await screen.type("y")
        await screen.shows("you  hello all", "✓")
        await screen.type("and again")
        await screen.shows("you  and again")
        for text in ("hello all", "and again"):
            assert (await next_of(bob, events.Said)).text == text
        await screen.type("/query")
        await screen.shows("Start ·", "Nobody was named")
        await screen.type("bob: hello")
        await screen.shows("bob · online", "you  hello", "✓")
        lines = await bob.past.page()
        assert [line.text for line in lines] == ["hello all", "and again", "hello"]


async def test_many_guests_leave_the_list_and_who_short(village: Village) -> None:  # noqa: F811
    alice = village.peer("alice")
    await alice.open()
    for number in range(60):
        async with village.peer(f"guest{number}"):
            pass
    async with Played(alice).on_screen(120, 40) as screen:
        await screen.shows("and 60 more", "Start ·")
        assert "○ guest" not in screen.text
        await screen.type("who")
        await screen.shows("And 40 more who are away: /who all shows them.")
        await screen.press("f4", "end", "enter")
        await screen.shows("Go to")
        await screen.press(*"guest7", "enter")
        await screen.shows("○ guest7", "and 59 more")


async def test_the_first_new_line_is_a_key_away(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        async with village.peer("alice"):
            pass
        for number in range(250):
            await bob.send("alice", f"number {number:03}")
        await bob.settled()
        async with alices_screen(village) as screen:
            await screen.shows("bob · online", "number 249")
            await screen.press("alt+u")
            await screen.shows("── new ─", "bob  number 000", "newer messages")
            await screen.press("escape")
            await screen.shows("number 249")
            await screen.hides("newer messages")


async def test_a_wide_screen_shows_the_members_of_the_room(village: Village) -> None:  # noqa: F811
    async with (
        village.peer("bob", rooms="lab"),
        alices_screen(village, 160, 24, rooms="lab") as screen,
    ):
        members = screen.app.list_of_members
        await screen.until(lambda: members.size.width > 0)
        assert screen.rows[0].endswith("Members")
        assert any(row.endswith("● bob") for row in screen.rows)
        assert await screen.pilot.click(members, offset=(4, 1))
        await screen.shows("bob · online")
        await screen.until(lambda: members.size.width == 0)
        screen.app.open_conversation(room("lab"))
        await screen.until(lambda: members.size.width > 0)
        await screen.pilot.resize_terminal(120, 24)
        await screen.until(lambda: members.size.width == 0)
