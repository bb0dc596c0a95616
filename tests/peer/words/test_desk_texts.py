"""An operator's output: the exact line for each event, safe for a terminal."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import (
    AnswersKnown,
    ClientMove,
    ClientMoved,
    CommandFailed,
    CommandFailure,
    CommandSucceeded,
    DeskAction,
    DutyChanged,
    DutyEvent,
    Figures,
    HeldBack,
    NothingSaid,
    NumberMoved,
    PastSessions,
    VisitorsWaiting,
    WaitingRoom,
)
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import shown_time
from chatapp.wire.desk.focus import HeldInput
from chatapp.wire.desk.values import (
    ListedOperator,
    ListedQueue,
    ListedVisitor,
    PastLine,
    PastSession,
)
from chatapp.wire.text import sanitize
from tests.support.visits import CAME

SINCE = 1_800_000_000.0
ASHA = msgspec.structs.replace(CAME, visit=1, issue="Depression")
FORM = ["Name: Asha Rao", "Number: +919876543210", "Issue: Depression"]
SERVED = ListedVisitor(
    visit=1, name="Asha Rao", issue="Depression", since=SINCE, is_here=True, operator="bob"
)
WAITING = ListedVisitor(
    visit=2, name="Ravi", issue="Other", since=SINCE, is_here=False, operator=""
)
ROOM = WaitingRoom(queue="desk", operators=1, served=(SERVED,), waiting=(WAITING,), total=1)
AT = shown_time(SINCE)
PAST = PastSession(
    visit=1,
    queue="desk",
    name="Asha Rao",
    number="+919876543210",
    issue="Other",
    note="calm",
    description="the book",
    operator="bob",
    at=SINCE,
    waited=5,
    took=60,
    lines=(
        PastLine(sender="Asha Rao", is_operator=False, at=SINCE, text="hi"),
        PastLine(sender="bob", is_operator=True, at=SINCE, text="yes"),
    ),
    left_out=3,
    has_transcript=True,
)
FIGURES = Figures(
    queue="desk",
    served_today=12,
    median_wait=67,
    ninetieth_wait=3_725,
    longest_waiting=0,
    waiting=0,
    operators=2,
)


def held(
    *,
    what: HeldInput = HeldInput.LINE,
    former: str = "Asha Qa",
    move: ClientMove | None = ClientMove.LEFT,
    client: str = "Asha Qb",
    text: str = "",
) -> HeldBack:
    return HeldBack(what=what, former=former, move=move, client=client, text=text)


LINES: list[tuple[DutyEvent, list[str]]] = [
    (DutyChanged(is_on=True, queue="desk"), ["[You are on duty at desk.]"]),
    (DutyChanged(is_on=False, queue="desk"), ["[You are off duty.]"]),
    (ASHA, ["[Next client; waited 1 min 30 s.]", *FORM]),
    (
        msgspec.structs.replace(
            ASHA, handed_over_by="bob", note="call back", is_here=False, waited=9
        ),
        [
            "[Handed-over client, from bob; waited 9 s.]",
            *FORM,
            "Note: call back",
            "[Asha Rao lost the connection; the place is kept for a while.]",
        ],
    ),
    (msgspec.structs.replace(ASHA, is_back=True, waited=0), ["[Your client; waited 0 s.]", *FORM]),
    (ClientMoved(name="Asha Rao", move=ClientMove.LEFT), ["[Asha Rao has left.]"]),
    (ClientMoved(name="Asha Rao", move=ClientMove.ENDED), ["[Session with Asha Rao ended.]"]),
    (AnswersKnown(answers={"greet": "Hello"}), []),
    (VisitorsWaiting(queue="desk", waiting=1, is_first=True), ["[Someone is waiting (desk).]"]),
    (VisitorsWaiting(queue="desk", waiting=2, is_first=False), []),
    (
        NothingSaid(name="Asha Rao"),
        [
            (
                "[Asha Rao has said nothing yet: .next again ends the session, "
                ".hold keeps the place at the head of the line.]"
            )
        ],
    ),
    (CommandSucceeded(action=DeskAction.NOTED, name="Ravi {x}"), ["[Note about Ravi {x} kept.]"]),
    (
        CommandSucceeded(action=DeskAction.MOVED, name="Ravi", position=1),
        ["[Ravi is number 1 now.]"],
    ),
    (
        CommandSucceeded(action=DeskAction.DROPPED, name="Ravi"),
        ["[Ravi was taken out of the waiting room.]"],
    ),
    (
        CommandFailed(reason=CommandFailure.NOT_IN_LINE, name="V4"),
        ["[V4 is not in the waiting room any more.]"],
    ),
    (CommandFailed(reason=CommandFailure.NO_CLIENT), ["[No active client.]"]),
    (held(), ["[Asha Qa has left; this was not said to Asha Qb.]"]),
    (held(former=""), ["[Asha Qb has just come; this was not said.]"]),
    (held(client="", move=ClientMove.LOST), ["[Asha Qa did not come back; this was not said.]"]),
    (held(text="é\x1b"), ["[Asha Qa has left; this was not said to Asha Qb: é\\x1b]"]),
    (held(what=HeldInput.END), ["[Asha Qa has left; the session with Asha Qb goes on.]"]),
    (
        held(what=HeldInput.HAND_OVER, move=ClientMove.TAKEN_BACK),
        ["[Asha Qa is at the head of the line again; Asha Qb was not handed over.]"],
    ),
    (held(what=HeldInput.NOTE), ["[Asha Qa has left; this was not noted about Asha Qb.]"]),
    (held(move=None, client=""), ["[Asha Qa is not your client any more; this was not said.]"]),
    (
        NumberMoved(position=2, was="Cem", is_now="Ben"),
        ["[Number 2 was Cem when you looked, and is Ben now: type .room first.]"],
    ),
    (
        ROOM,
        [
            f"[Active: Asha Rao, Depression, since {AT}, with bob.]",
            "[Waiting room: 1.]",
            f"1. Ravi, Other, waiting since {AT}, away",
        ],
    ),
    (
        WaitingRoom(
            queue="desk",
            operators=1,
            served=(),
            waiting=(),
            total=0,
            queues=(
                ListedQueue(queue="desk", waiting=0, operators=1),
                ListedQueue(queue="exams", waiting=2_000, operators=1),
            ),
            on_duty=(
                ListedOperator(operator="bob", queue="desk", is_free=True),
                ListedOperator(operator="eva", queue="exams", is_free=False),
            ),
        ),
        [
            "[No active client.]",
            "[Waiting room: empty.]",
            "[On duty: bob (free), eva (serving, exams).]",
            "[Waiting: desk 0, exams 2,000.]",
        ],
    ),
    (
        msgspec.structs.replace(ROOM, served=(), waiting=(), total=0),
        ["[No active client.]", "[Waiting room: empty.]"],
    ),
    (
        msgspec.structs.replace(ROOM, served=(), total=42),
        [
            "[No active client.]",
            "[Waiting room: 42.]",
            f"1. Ravi, Other, waiting since {AT}, away",
            "[And 41 more.]",
        ],
    ),
    (
        FIGURES,
        [
            (
                "[Served today 12; median wait 1 min 7 s, 90th percentile 62 min 5 s; "
                "waiting now 0, longest 0 s; operators on duty 2.]"
            )
        ],
    ),
    (PastSessions(sessions=(), total=0), ["[No past sessions.]"]),
    (
        PastSessions(
            sessions=(
                PAST,
                msgspec.structs.replace(PAST, operator="", note="", has_transcript=False, lines=()),
            ),
            total=9,
        ),
        [
            "[Past sessions: 2 of 9.]",
            f"[Asha Rao, {AT}: waited 5 s, took 1 min 0 s, with bob.]",
            "Number: +919876543210",
            "Issue: Other",
            "Says: the book",
            "Note: calm",
            "[3 earlier lines are left out.]",
            f"{AT[11:]} Asha Rao: hi",
            f"{AT[11:]} bob: yes",
            f"[Asha Rao, {AT}: waited 5 s, took 1 min 0 s.]",
            "Number: +919876543210",
            "Issue: Other",
            "Says: the book",
            "[What was said is not kept any more.]",
        ],
    ),
]


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_each_event_has_its_lines_to_the_letter(event: DutyEvent, lines: list[str]) -> None:
    assert lines_of(event) == lines


def test_no_kind_of_event_and_no_move_is_forgotten() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(DutyEvent))
    for move in ClientMove:
        assert lines_of(ClientMoved(name="Ana", move=move))


@given(st.sampled_from(LINES), st.text())
def test_whatever_others_wrote_each_line_is_one_line_that_gives_no_order(
    example: tuple[DutyEvent, list[str]], hostile: str
) -> None:
    event = forged(example[0], hostile)
    for line in lines_of(event):
        assert len(line.splitlines()) == 1
        assert sanitize(line) == line


def forged(event: DutyEvent, hostile: str) -> DutyEvent:
    texts = {
        name: hostile
        for name, value in msgspec.structs.asdict(event).items()
        if isinstance(value, str)
    }
    event = msgspec.structs.replace(event, **texts)
    if isinstance(event, WaitingRoom):
        one = msgspec.structs.replace(WAITING, name=hostile, issue=hostile, operator=hostile)
        return msgspec.structs.replace(event, served=(one,), waiting=(one,))
    if isinstance(event, PastSessions):
        line = msgspec.structs.replace(PAST.lines[0], sender=hostile, text=hostile)
        texts = dict.fromkeys(
            ("name", "number", "issue", "note", "description", "operator"), hostile
        )
        return msgspec.structs.replace(
            event, sessions=(msgspec.structs.replace(PAST, lines=(line,), **texts),)
        )
    return event


@pytest.mark.parametrize(
    "event",
    [
        WaitingRoom(
            queue="desk", operators=1, served=(SERVED,), waiting=(WAITING,), total=1, is_quiet=True
        ),
        PastSessions(sessions=(), total=0, is_quiet=True),
    ],
)
def test_an_answer_for_another_program_is_not_printed(event: WaitingRoom | PastSessions) -> None:
    assert lines_of(event) == []
    assert lines_of(msgspec.structs.replace(event, is_quiet=False)) != []
