"""What the view of a full screen does with lines that were typed, and with lines that come: marks, questions, and
what counts as shown."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from textual.events import Paste

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, EVERYBODY, NOBODY, person
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.api.requests import ReadPage, Request, SayAtDesk
from chatapp.peer.api.state import PeerState
from chatapp.peer.core.records import OutgoingChanged
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.view.log import EntryKind, LogEntry
from chatapp.peer.view.pastreader import PAGE
from chatapp.peer.words.formatting import Mark
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.desk.focus import HeldInput
from chatapp.wire.limits import TEXT_MAX
from tests.peer.faces.full.playing import Played, alices_screen
from tests.peer.village import WITHIN, Village, outcome_of, village  # noqa: F401
from tests.support.nodes import node_of
from tests.support.visits import line_of


def last_of(screen: Played, text: str) -> LogEntry:
    """Return the newest entry with this text, in whichever conversation; one without a mark if
    there is none."""
    entries = [
        one for pane in screen.view.panes.all() for one in pane.log.entries if one.text == text
    ]
    return entries[-1] if entries else LogEntry(kind=EntryKind.MESSAGE, at=0.0, text="")


@contextlib.asynccontextmanager
async def at_desk(village: Village) -> AsyncIterator[tuple[Played, Visitor, DeskSettings]]:  # noqa: F811
    """An operator on duty, who serves a visitor."""
    visitor, settings = await village.open_desk("alice")
    async with alices_screen(village) as screen:
        alice = screen.peer
        await screen.until(lambda: alice.desk.is_operator)
        await screen.press("f5")
        await screen.until(lambda: alice.desk.client is not None)
        await screen.until(lambda: screen.view.open_pane.conversation == DESK)
        yield screen, visitor, settings
    await visitor.close(within=1.0)


async def test_a_line_to_the_visitor_has_its_mark_when_the_registry_has_answered(
    village: Village,  # noqa: F811
) -> None:
    async with at_desk(village) as (screen, _, settings):
        await screen.type("how can I help?")
        await screen.until(lambda: last_of(screen, "how can I help?").mark is Mark.RECEIVED)
        long = "ü" * (TEXT_MAX // 2 + 1)
        await screen.type(long)
        await screen.until(lambda: last_of(screen, long).mark is Mark.REFUSED)
        await village.close_registry()
        await screen.until(lambda: screen.peer.state is not PeerState.ONLINE)
        await screen.type("still there?")
        await screen.until(lambda: last_of(screen, "still there?").text != "")
        assert last_of(screen, "still there?").mark is None
        await village.open_registry(desk=settings)
        await screen.until(lambda: last_of(screen, "still there?").mark is Mark.RECEIVED)


async def test_lines_of_a_visitor_are_no_lines_of_the_history(village: Village) -> None:  # noqa: F811
    """The next program gives their ids again, to others of them and to lines of the history."""
    async with at_desk(village) as (screen, _, _settings):
        for place, text in enumerate(("one", "two"), start=1):
            node_of(screen.peer).tell([line_of("Asha Rao", text, place, id=1)])
        await screen.until(lambda: last_of(screen, "two").text == "two")
        assert (last_of(screen, "one").id, last_of(screen, "two").id) == (0, 0)


async def test_the_desk_pane_asks_for_itself_alone_and_its_numbers_count(village: Village) -> None:  # noqa: F811
    async with at_desk(village) as (screen, _, _settings):
        told: list[events.WaitingRoom] = []
        _ = screen.peer.listen(
            lambda batch: told.extend(one for one in batch if isinstance(one, events.WaitingRoom))
        )
        waiting = [await village.visitor(name) for name in ("Ben Okafor", "Cem Aydin")]
        await screen.shows("1 0 min Ben Okafor", "2 0 min Cem Aydin")
        assert told
        assert all(one.is_quiet for one in told)
        await screen.type(".drop 1")
        await screen.shows("Ben Okafor was taken out of the", "1 0 min Cem Aydin")
        for visitor in waiting:
            await visitor.close(within=1.0)


async def test_the_line_that_was_held_back_is_marked_as_refused_and_no_other(
    village: Village,  # noqa: F811
) -> None:
    async with at_desk(village) as (screen, _, _settings):
        node, numbers = screen.peer.node, list[int]()
        request = node.request

        async def noted(asked: Request[Any]) -> Any:
            if isinstance(asked, SayAtDesk):
                numbers.append(asked.line)
            return await request(asked)

        node.request = noted  # type: ignore[method-assign, assignment]
        await village.close_registry()
        await screen.until(lambda: screen.peer.state is not PeerState.ONLINE)
        await screen.type("first")
        await screen.type("second")
        await screen.until(lambda: len(numbers) == 2)
        held = events.HeldBack(
            what=HeldInput.LINE, former="", move=None, client="Asha Rao", line=numbers[1]
        )
        screen.runner.handle([held])
        assert (last_of(screen, "first").mark, last_of(screen, "second").mark) == (
            None,
            Mark.REFUSED,
        )
        failed = events.CommandFailed(reason=events.CommandFailure.LINE_FULL, line=7)
        screen.runner.handle([failed])  # a line of another program
        assert last_of(screen, "first").mark is None


async def test_lines_of_a_visitor_are_shown_when_they_were_painted(village: Village) -> None:  # noqa: F811
    async with at_desk(village) as (screen, visitor, _):
        view, runner = screen.view, screen.runner
        for number in range(40):
            runner.show_here([f"notice {number}"])
        await screen.shows("notice 39")
        await screen.press("ctrl+home")
        await screen.hides("notice 39")
        visitor.say("my screen is black")
        desk = view.open_pane
        await screen.until(
            lambda: any(one.text == "my screen is black" for one in desk.log.entries)
        )
        view.painted(desk, desk.log.entries[0])
        await screen.pilot.pause()
        assert [event for event, _ in desk.unshown if isinstance(event, events.Said)]
        await screen.press("escape")
        await screen.until(lambda: not desk.unshown)


async def test_a_line_that_came_after_the_paint_is_not_shown_yet(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob, alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("● bob")
        came: list[events.Said] = []
        _ = alice.listen(
            lambda batch: came.extend(one for one in batch if isinstance(one, events.Said))
        )
        screen.app.open_conversation(person("bob"))
        await bob.send("alice", "first")
        await screen.shows("bob  first")
        pane = screen.view.open_pane
        await screen.until(lambda: not pane.unshown)
        late = msgspec.structs.replace(came[0], id=10**6, text="late")
        drawn = pane.log.entries[-1]
        screen.runner.handle([late])
        screen.view.painted(pane, drawn)  # what was painted before it came
        assert [event for event, _ in pane.unshown] == [late]


async def test_a_line_that_means_something_else_by_now_is_marked_as_refused(
    village: Village,  # noqa: F811
) -> None:
    async with alices_screen(village, rooms="lab") as screen:
        await screen.shows("# lab · 1 here")
        runner = screen.runner
        runner.enter("/leave")
        runner.enter("are you there?")
        await screen.until(lambda: last_of(screen, "are you there?").mark is Mark.REFUSED)
        assert last_of(screen, "are you there?").note == "Nothing was sent."
        screen.app.open_conversation(person("bob"))
        runner.enter("/message")
        runner.enter("is it a name?")
        await screen.until(lambda: last_of(screen, "is it a name?").mark is Mark.REFUSED)


async def test_a_line_goes_where_it_was_typed(village: Village) -> None:  # noqa: F811
    async with village.peer("bob"), alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("● bob")
        screen.app.open_conversation(person("bob"))
        composer = screen.app.composer
        composer.put("for bob alone")
        composer._enter()  # the message is on its way to the app
        screen.app.open_conversation(EVERYBODY)
        await screen.until(lambda: last_of(screen, "for bob alone").mark is Mark.RECEIVED)
        lines = await alice.past.page(person("bob"))
        assert [line.text for line in lines] == ["for bob alone"]
        assert not await alice.past.page(EVERYBODY)


async def test_a_visitor_does_not_take_what_is_being_typed(village: Village) -> None:  # noqa: F811
    async with alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("alice · 1 online")
        screen.app.composer.put("half a li")
        node_of(alice).tell([events.DutyChanged(is_on=True, queue="help")])
        await screen.until(lambda: screen.view.panes.known(DESK) is not None)
        desk = screen.view.panes.pane(DESK)
        await screen.until(lambda: desk.is_hot)
        assert screen.view.open_pane.conversation == NOBODY
        assert screen.app.composer.text == "half a li"
        screen.app.open_conversation(DESK)
        await screen.until(lambda: not desk.is_hot)


async def test_a_paste_and_a_key_leave_the_question_in_order(
    village: Village,  # noqa: F811
) -> None:
    async with alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("alice · 1 online")
        await screen.type("/release")
        await screen.shows("Give up the name")
        question = next(row for row in screen.rows if "Give up the name" in row)
        screen.app.composer.post_message(Paste("one\ntwo"))
        await screen.shows("Send 2 lines")
        await screen.press("n")
        await screen.shows(question)  # it is asked still
        await screen.press("ctrl+k", *"attic", "enter")
        await screen.shows("# attic · 1 here")
        await screen.hides("Give up the name")
        assert alice.name == "alice"
        await screen.type("/message")
        await screen.until(lambda: screen.view._dialogue is not None)
        await screen.press("ctrl+q")
        await screen.until(lambda: screen.running.is_over)


async def test_the_end_of_the_program_while_a_page_is_read_is_no_mistake(
    village: Village,  # noqa: F811
) -> None:
    alice = village.peer("alice")
    await alice.open()

    async def gone(asked: Request[Any]) -> Any:
        raise NotOpen

    async with Played(alice).on_screen() as screen:
        await screen.shows("alice · 1 online")
        request, alice.node.request = alice.node.request, gone  # type: ignore[method-assign, assignment]
        pane = screen.view.panes.pane(person("bob"))
        await screen.runner.read(pane, screen.view.load(pane))
        pane.has_older = True
        await screen.runner.read(pane, screen.view.load_older(pane))
        assert await screen.runner.jump(person("bob"), 5) is None
        await screen.runner.perform(screen.view.begin())
        alice.node.request = request  # type: ignore[method-assign]


def texts_of(screen: Played, *texts: str) -> list[str]:
    """Return those of these texts that the open log has, in its order."""
    return [one.text for one in screen.view.open_pane.log.entries if one.text in texts]


async def test_lines_of_another_program_stand_in_the_log_when_the_own_line_is_under_way(
    village: Village,  # noqa: F811
) -> None:
    async with village.peer("bob") as bob, alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("● bob")
        screen.app.open_conversation(person("bob"))
        await screen.until(lambda: screen.view.open_pane.is_loaded)
        ready, gate = alice.ready, asyncio.Event()

        async def hold() -> None:
            await gate.wait()
            await ready()

        alice.ready = hold  # type: ignore[method-assign]
        await screen.type("mine")
        elsewhere = [f"from elsewhere {number}" for number in range(PAGE + 20)]
        for text in elsewhere:
            await alice.send("bob", text)
        await alice.settled()
        await bob.send("alice", "an answer")
        await screen.until(lambda: texts_of(screen, "an answer") != [])
        gate.set()
        await screen.until(lambda: last_of(screen, "mine").mark is Mark.RECEIVED)
        await screen.until(lambda: last_of(screen, elsewhere[-1]).mark is Mark.RECEIVED)
        assert texts_of(screen, *elsewhere, "an answer") == [*elsewhere, "an answer"]
        assert len(texts_of(screen, "mine")) == 1


async def test_lines_of_another_program_stand_in_the_log_when_its_past_is_being_read(
    village: Village,  # noqa: F811
) -> None:
    async with village.peer("bob"), alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("● bob")
        request, gate = alice.node.request, asyncio.Event()
        read = asyncio.Event()

        async def slow(asked: Request[Any]) -> Any:
            answer = await request(asked)
            if isinstance(asked, ReadPage):
                read.set()
                await gate.wait()
            return answer

        alice.node.request = slow  # type: ignore[method-assign, assignment]
        screen.app.open_conversation(person("bob"))
        async with asyncio.timeout(WITHIN):
            await read.wait()
        await outcome_of(await alice.send("bob", "from elsewhere"))
        await screen.pilot.pause()
        gate.set()
        await screen.until(lambda: last_of(screen, "from elsewhere").mark is Mark.RECEIVED)


async def test_what_is_typed_and_not_sent_stands_in_the_other_windows(
    village: Village,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.faces.full.app.KEPT_AFTER", WITHIN)  # not at a pause
    async with village.peer("bob"), village.peer("alice") as alice:
        offer, attached = Offer(alice), Peer.attach("alice", home=village.folder)
        await attached.open()
        async with (
            Played(alice, has_started=True).on_screen() as first,
            Played(attached, has_started=True).on_screen() as second,
        ):
            bobs = person("bob")
            for screen in (first, second):
                await screen.shows("● bob")
            first.app.open_conversation(bobs)
            await first.until(lambda: first.view.open_pane.is_loaded)
            await first.press(*"hello")
            first.app.on_app_blur()
            second.app.open_conversation(bobs)
            await second.until(lambda: second.app.composer.text == "hello")
            await second.press(*" you", "enter")
            await first.until(lambda: first.app.composer.text == "")
            await first.until(lambda: last_of(first, "hello you").mark is Mark.RECEIVED)
            await first.press("n")  # what is typed here is not replaced
            await second.press(*"other")
            second.app.on_app_blur()
            await first.until(lambda: first.view.open_pane.kept == "other")
            assert first.app.composer.text == "n"
            offer.close()
        await attached.close()


async def test_a_change_that_is_refused_is_told_and_undone(village: Village) -> None:  # noqa: F811
    async with village.peer("bob"), alices_screen(village) as screen:
        alice = screen.peer
        await screen.shows("● bob")
        screen.app.open_conversation(person("bob"))
        await screen.type("helo")
        await screen.until(lambda: last_of(screen, "helo").mark is Mark.RECEIVED)
        await screen.type("/edit hello")
        await screen.until(lambda: last_of(screen, "hello (edited)").text != "")
        await screen.until(lambda: last_of(screen, "hello (edited)").mark is Mark.RECEIVED)
        node, (id_,) = node_of(alice), screen.view._changed_by_us
        change = await node.storage.read(lambda lines: lines.by_id(id_), by_index=False)
        assert change is not None
        refused = OutgoingChanged(change.stream, change.number, MessageState.REFUSED)
        node.storage.commits.keep((refused,), now=0.0, is_last=True)
        told = events.MessageChanged(
            conversation=person("bob"),
            id=id_,
            state=MessageState.REFUSED,
            reason=MessageReason.NOBODY,
        )
        node.tell([told])
        await screen.shows("you  helo", "Message to bob refused: nobody of that")


async def test_lines_of_a_visit_are_changed_in_their_place(village: Village) -> None:  # noqa: F811
    async with at_desk(village) as (screen, visitor, _):
        await screen.type("helo")
        line = await visitor_says(screen, visitor, "my pin is 1234")
        await screen.type("/edit hello")
        await screen.until(lambda: last_of(screen, "hello (edited)").mark is Mark.RECEIVED)
        assert last_of(screen, "helo").text == ""
        assert visitor.change(line, "my pin") is not None
        await screen.until(lambda: last_of(screen, "my pin (edited)").text != "")
        assert visitor.change(line, None) is not None
        await screen.until(lambda: last_of(screen, "[taken back]").text != "")
        assert last_of(screen, "my pin is 1234").text == ""
        await screen.type("/retract")
        desk = screen.view.panes.pane(DESK)
        await screen.until(
            lambda: [one.text for one in desk.log.entries].count("[taken back]") == 2
        )
        await screen.type("/retract 2")
        await screen.until(lambda: any("no such message" in one.text for one in desk.log.entries))


async def visitor_says(screen: Played, visitor: Visitor, text: str) -> int:
    """Have the visitor say something. Return its id once it is on the screen."""
    await visitor.settled()
    line = visitor.talk(text)
    assert line is not None
    await screen.until(lambda: last_of(screen, text).text == text)
    return line
