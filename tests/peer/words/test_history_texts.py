"""Lines from the history: each message with its id and a description of its delivery."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import AuthorDoubt, MessageReason, MessageState, Said
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.api.trace import TraceEvent, TraceStep
from chatapp.peer.words.formatting import Mark, MessageLine
from chatapp.peer.words.history import NO_SUCH_MESSAGE, history_lines, past_lines, trace_lines
from chatapp.wire.text import sanitize

NOON = 1_700_000_000.0
LATER = NOON + 7 * 86_400.0


def said(
    id_: int = 7,
    *,
    sender: str = "alice",
    conversation: Conversation | None = None,
    text: str = "hi",
    doubt: AuthorDoubt | None = None,
) -> Said:
    """Return a line, of alice to bob, or of others to alice."""
    is_ours = sender == "alice"
    return Said(
        conversation=conversation or person("bob" if is_ours else sender),
        id=id_,
        sender=sender,
        identity=b"",
        number=id_,
        text=text,
        at=NOON,
        doubt=doubt,
        is_ours=is_ours,
    )


def test_the_past_is_shown_again_as_it_was_and_own_lines_with_their_recipient() -> None:
    shown = past_lines(
        [
            said(sender="bob"),
            said(),
            said(conversation=EVERYBODY),
            said(conversation=room("lab"), sender="bob"),
        ]
    )
    assert shown == [
        "bob: hi",
        "alice to bob: hi",
        "[Channel_Message alice: hi]",
        "bob (in lab): hi",
    ]
    assert all(isinstance(line, MessageLine) and line.at == NOON for line in shown)


def test_ids_stand_below_one_another() -> None:
    assert history_lines(
        [
            said(9),
            said(10, sender="bob", text="a: b\n"),
            said(11, conversation=EVERYBODY),
            said(12, conversation=room("lab")),
            said(13, sender="carol", doubt=AuthorDoubt.NOT_IN_TABLE),
        ],
        "alice",
    ) == [
        " 9  2023-11-14 22:13:20  alice to bob: hi",
        "10  2023-11-14 22:13:20  bob to alice: a: b⏎",
        "11  2023-11-14 22:13:20  alice to everybody: hi",
        "12  2023-11-14 22:13:20  alice to lab: hi",
        "13  2023-11-14 22:13:20  carol (unverified: nobody of this name is registered) to alice: hi",
    ]
    assert history_lines([], "alice") == []


STEPS = [
    (TraceStep(at=NOON + 0.003, what=TraceEvent.SENT, tries=1), "[sent 22:13:20.003 try 1]"),
    (
        TraceStep(at=NOON + 2.5, what=TraceEvent.RELAYED),
        "[sent 22:13:22.500 through the server as well]",
    ),
    (
        TraceStep(at=NOON + 3, what=TraceEvent.MAILED),
        "[bob is away: sealed as a letter for the registry (22:13:23.000)]",
    ),
    (
        TraceStep(at=NOON + 3, what=TraceEvent.KEPT, when=NOON),
        "[kept: registry silent since 2023-11-14 22:13:20 (22:13:23.000)]",
    ),
    (TraceStep(at=NOON, what=TraceEvent.KEPT), "[kept: registry silent (22:13:20.000)]"),
    (
        TraceStep(at=NOON + 4, what=TraceEvent.SAVED, when=LATER),
        "[saved at the registry until 2023-11-21 22:13:20 (22:13:24.000)]",
    ),
    (
        TraceStep(at=NOON + 1, what=TraceEvent.ACKNOWLEDGED, tries=3, span=1.02),
        "[acknowledged by bob after 3 tries, 1.02 s (22:13:21.000)]",
    ),
    (
        TraceStep(
            at=NOON + 1, what=TraceEvent.ACKNOWLEDGED, tries=1, span=0.004, through_server=True
        ),
        "[acknowledged by bob through the server after 1 try, 0.00 s (22:13:21.000)]",
    ),
    (
        TraceStep(at=NOON + 60, what=TraceEvent.ACKNOWLEDGED, tries=1, is_late=True),
        "[delivered late: acknowledged by bob (22:14:20.000)]",
    ),
    (
        TraceStep(at=NOON + 1, what=TraceEvent.ACCEPTED, span=0.1),
        "[received by the server after 0.10 s (22:13:21.000)]",
    ),
    (
        TraceStep(at=NOON + 1, what=TraceEvent.REFUSED, reason=MessageReason.NAME_UNKNOWN),
        "[refused: the server knows nobody of that name (22:13:21.000)]",
    ),
    (
        TraceStep(at=NOON + 1, what=TraceEvent.EXPIRED, reason=MessageReason.NEVER_FETCHED),
        "[gone: it was never fetched and has expired (22:13:21.000)]",
    ),
    (
        TraceStep(at=NOON + 1, what=TraceEvent.REDIRECTED),
        "[sent on to the key of bob that you trust now (22:13:21.000)]",
    ),
]


@pytest.mark.parametrize(("step", "line"), STEPS)
def test_each_step_in_words(step: TraceStep, line: str) -> None:
    assert trace_lines(DeliveryTrace(line=said(), steps=(step,)), "alice") == [
        "7  2023-11-14 22:13:20  alice to bob: hi",
        line,
    ]


def test_sends_that_are_no_steps_are_counted() -> None:
    first = TraceStep(at=NOON, what=TraceEvent.SENT, tries=1)
    received = TraceStep(at=NOON + 1, what=TraceEvent.ACKNOWLEDGED, tries=7, span=1.0)
    assert trace_lines(DeliveryTrace(line=said(), steps=(first, received)), "alice")[2:] == [
        "[and 6 more sends of the same message]",
        "[acknowledged by bob after 7 tries, 1.00 s (22:13:21.000)]",
    ]
    steps = (*(msgspec.structs.replace(first, tries=number) for number in range(1, 8)), received)
    assert len(trace_lines(DeliveryTrace(line=said(), steps=steps), "alice")) == 9, (
        "each is on record"
    )


def test_a_letter_says_whether_another_way_was_tried_before() -> None:
    steps = (
        TraceStep(at=NOON, what=TraceEvent.SENT, tries=1),
        TraceStep(at=NOON + 3, what=TraceEvent.MAILED),
    )
    assert trace_lines(DeliveryTrace(line=said(), steps=steps), "alice")[-1] == (
        "[no direct answer: sealed as a letter for the registry (22:13:23.000)]"
    )


def test_no_kind_of_step_is_forgotten() -> None:
    assert {step.what for step, _ in STEPS} == set(TraceEvent)


def test_messages_without_a_trace() -> None:
    assert trace_lines(None, "alice") == [NO_SUCH_MESSAGE]
    assert trace_lines(DeliveryTrace(line=said(sender="bob"), steps=()), "alice")[1:] == [
        "[Only bob knows how it was delivered.]"
    ]
    assert trace_lines(DeliveryTrace(line=said(), steps=()), "alice")[1:] == [
        "[None of its steps is on record.]"
    ]


@given(st.text(), st.text(), st.text())
def test_whatever_others_wrote_a_line_is_one_line(sender: str, name: str, text: str) -> None:
    (line,) = history_lines([said(sender=sender, conversation=room(name), text=text)], "alice")
    assert isinstance(line, MessageLine)
    assert sanitize(line) == line
    assert line[line.text_at :] == sanitize(text)


@pytest.mark.parametrize(
    ("state", "again", "listed"),
    [
        (MessageState.DELIVERED, None, Mark.RECEIVED),
        (MessageState.SAVED, Mark.SAVED, Mark.SAVED),
        (MessageState.KEPT, Mark.KEPT, Mark.KEPT),
        (MessageState.REFUSED, Mark.REFUSED, Mark.REFUSED),
        (MessageState.UNSETTLED, None, None),
    ],
)
def test_own_lines_have_their_marks_and_at_a_start_those_that_were_not_received(
    state: MessageState, again: Mark | None, listed: Mark | None
) -> None:
    line = msgspec.structs.replace(said(), is_ours=True, state=state)
    for shown, mark in ((past_lines([line]), again), (history_lines([line], "alice"), listed)):
        assert isinstance(shown[0], MessageLine)
        assert shown[0].mark is mark
