"""What ends the line face, with which exit status, and what counts as shown by then."""

from typing import Final

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.errors import NameTaken
from chatapp.peer.view import view
from tests.peer.faces.line.acting import Scene, line


async def test_the_end_of_input_settles_and_then_ends() -> None:
    scene = Scene()
    scene.paper.type("send bob hi", None)
    assert await scene.all_done()
    assert scene.peer.asked == ["send bob hi", "settled?"]
    scene.peer.is_settled.set()
    assert await scene.status() == 0


async def test_with_stay_the_end_of_input_ends_nothing() -> None:
    scene = Scene(stay=True)
    scene.peer.is_settled.set()
    scene.paper.type(None)
    scene.peer.happens(line("hi"))
    assert await scene.all_done()
    assert scene.paper.lines == ["bob: hi"]
    await scene.ends()


STARTED: Final = events.Registered()
WITH_TABLE: Final = events.NoServerAtStart(table_time=0.0)
TAKEN: Final = events.NameUnavailable(name="alice")


@pytest.mark.parametrize(
    "events",
    [
        [events.NoServerAtStart(table_time=None)],
        [TAKEN],
        [events.AdmissionRefused(reason=events.AdmissionRefusal.FULL)],
        [events.RegistryKeyChanged(expected="a", got="b")],
        [STARTED, events.LeaveUnanswered()],
        [STARTED, events.SignedOff(), events.NoServerAtStart(table_time=None)],
    ],
)
async def test_what_ends_the_program_with_status_1(events: list[events.Event]) -> None:
    scene = Scene()
    scene.peer.happens(*events)
    assert await scene.status() == 1
    assert scene.peer.seen == events


async def test_a_peer_that_is_not_let_in_obeys_nothing() -> None:
    scene = Scene(is_ready=False)
    scene.paper.type("send bob hi")
    scene.peer.refusal = NameTaken("alice")
    scene.peer.happens(TAKEN)
    scene.peer.is_ready.set()
    assert await scene.status() == 1
    assert scene.peer.asked == []
    assert scene.paper.lines == ["[Name alice is taken.]", "[Not sent: send bob hi]"]


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, events.SignedOff()],
        [STARTED, TAKEN],
        [WITH_TABLE, TAKEN],
        [STARTED, events.AdmissionRefused(reason=events.AdmissionRefusal.FULL)],
        [WITH_TABLE, events.RegistryKeyChanged(expected="a", got="b")],
        [STARTED, events.ServerLost(), events.ServerBack()],
    ],
)
async def test_what_does_not_end_the_program(events: list[events.Event]) -> None:
    """A name that turns out to be taken on return: the old table, mail and the program stay."""
    scene = Scene()
    scene.peer.happens(*events)
    assert await scene.all_done()
    await scene.ends()


@pytest.mark.parametrize("word", ["quit", "/quit", "exit", "server:exit"])
async def test_quit_ends_at_once_and_nothing_behind_it_is_obeyed(word: str) -> None:
    scene = Scene()
    scene.peer.is_settled.set()
    scene.paper.type(word, "send bob hi")
    assert await scene.status() == 0
    assert scene.peer.asked == ["settled?"]
    assert scene.paper.lines == ["[Not sent: send bob hi]"]


async def test_what_is_typed_behind_a_dereg_that_ends_the_program_is_told_as_not_sent() -> None:
    scene = Scene()
    scene.peer.is_settled.set()
    scene.peer.is_left.clear()
    scene.paper.type("dereg alice", "send bob hi", "", "hello\x1b", "dereg alice", "quit")
    assert await scene.all_done()
    scene.peer.happens(events.LeaveUnanswered())
    assert await scene.status() == 1
    told = [
        "[Server not responding]",
        "[Exiting]",
        "[Not sent: send bob hi]",
        "[Not sent: hello\\x1b]",
    ]
    assert scene.paper.lines == told


async def test_of_many_lines_that_were_not_sent_the_first_are_shown() -> None:
    scene = Scene()
    scene.peer.is_settled.set()
    scene.paper.type("quit", *(f"send bob {number}" for number in range(30)))
    assert await scene.status() == 0
    assert scene.paper.lines[0] == "[Not sent: send bob 0]"
    assert scene.paper.lines[19:] == ["[Not sent: send bob 19]", "[Not sent either: 10 more lines]"]


async def test_a_line_that_is_being_obeyed_when_the_program_ends_is_told_too() -> None:
    """The message waited for the registry, which never came."""
    scene = Scene(is_ready=False)
    scene.paper.type("send bob hi", "send bob again")
    scene.peer.happens(events.NoServerAtStart(table_time=None))
    assert await scene.status() == 1
    assert scene.paper.lines[-2:] == ["[Not sent: send bob hi]", "[Not sent: send bob again]"]


@pytest.mark.parametrize("word", ["quit", "dereg alice"])
async def test_what_was_said_right_before_is_told_to_have_arrived(word: str) -> None:
    scene = Scene()
    scene.paper.type("send bob hi", word)
    assert await scene.all_done()
    assert scene.peer.asked == ["send bob hi", "settled?"]
    scene.peer.happens(
        events.MessageChanged(conversation=person("bob"), id=1, state=events.MessageState.DELIVERED)
    )
    scene.peer.is_settled.set()
    await scene.all_done()
    assert scene.paper.lines == ["[Message received by bob.]"]
    await scene.ends()


@pytest.mark.parametrize(
    ("word", "asked"), [("quit", ["settled?"]), ("dereg alice", ["settled?", "leave", "left?"])]
)
async def test_the_end_does_not_wait_for_ever(
    word: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "FAREWELL_WITHIN", 0.0)
    scene = Scene()
    scene.paper.type(word)
    assert await scene.all_done() is (word != "quit")
    assert scene.peer.asked == asked
    await scene.ends()


async def test_a_signal_ends_with_its_status_and_the_first_counts() -> None:
    scene = Scene()
    scene.face.stop(130)
    scene.face.stop(0)
    assert await scene.status() == 130


async def test_a_terminal_that_is_gone_ends_with_status_0_and_what_it_did_not_show_counts_as_unseen() -> (
    None
):
    scene = Scene()
    scene.paper.is_gone = True
    scene.peer.happens(line("hi"))
    assert await scene.status() == 0
    assert scene.peer.seen == []


async def test_what_happened_until_the_end_is_shown() -> None:
    scene = Scene()
    await scene.all_done()
    scene.peer.happens(line("last words"))
    scene.face.stop(0)
    await scene.status()
    assert scene.paper.lines == ["bob: last words"]
    assert scene.peer.seen == [line("last words")]


async def test_what_is_read_before_the_terminal_says_that_it_is_out_counts_as_shown_though_the_reader_quits() -> (
    None
):
    """A script that drives the program through pipes can be that fast; the next start must not show
    the line again."""
    scene = Scene()
    scene.peer.is_settled.set()
    scene.peer.happens(STARTED)
    assert await scene.all_done()
    scene.paper.says_out.clear()
    scene.peer.happens(line("hi"))
    assert await scene.all_done()
    scene.paper.type("quit")
    assert await scene.all_done()
    assert scene.peer.seen == [STARTED]
    scene.paper.says_out.set()
    assert await scene.status() == 0
    assert scene.paper.lines.count("bob: hi") == 1
    assert scene.peer.seen == [STARTED, line("hi")]


async def test_a_fault_of_ours_is_not_swallowed() -> None:
    scene = Scene()

    async def fails(to: str, text: str) -> None:
        raise ZeroDivisionError

    scene.peer.send = fails  # type: ignore[method-assign, assignment]
    scene.paper.type("send bob hi")
    with pytest.raises(ZeroDivisionError):
        await scene.status()


@pytest.mark.parametrize("typed", [(None,), ("send bob hi", None), ("quit", None)])
@pytest.mark.parametrize("event", [TAKEN, events.NoServerAtStart(table_time=None)])
async def test_a_refused_peer_fails_even_after_the_end_of_its_input(
    typed: tuple[str | None, ...], event: events.Event
) -> None:
    """A task that waits for the peer to be ready continues before one that waits for events."""
    scene = Scene(is_ready=False)
    scene.peer.is_settled.set()
    scene.paper.type(*typed)
    assert await scene.all_done()
    scene.peer.is_ready.set()
    scene.peer.happens(event)
    assert await scene.status() == 1
    assert scene.peer.asked == []
    assert scene.peer.seen == [event]


async def test_what_has_happened_is_shown_in_its_order_though_the_input_waits_for_it() -> None:
    scene = Scene(is_ready=False)
    scene.paper.type("send bob hi")
    assert await scene.all_done()
    scene.peer.is_ready.set()
    scene.peer.happens(line("one"), line("two"))
    assert await scene.all_done()
    scene.peer.happens(line("three"))
    assert await scene.all_done()
    assert scene.paper.lines == ["bob: one", "bob: two", "bob: three"]
    await scene.ends()
