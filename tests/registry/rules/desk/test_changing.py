"""Lines that are changed or taken back by who said them: told once and in order, kept, and theirs
alone to change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.desk.talk.transcript import VISITOR, Transcript, TranscriptLine
from chatapp.wire.limits import (
    CHANGED_WITHIN_MS,
    DESK_LINES_BURST,
    DESK_LINES_BYTES_MAX,
    DESK_LINES_MAX,
    TEXT_MAX,
)
from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.desk import LineMark, LineRefusal
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Talker, Visitor, Worker

SAID, EDITED, RETRACTED = LineMark
ANN = b"a" * 32


def change(
    talker: Talker, target: int, mark: LineMark = EDITED, text: str = "", *, visit: int = 1
) -> None:
    """Change the line that they said under the number `target`."""
    talker._number += 1
    talker.ask(wire.SendDeskLine(visit, talker._number, text, mark, target))


def scene() -> tuple[HelpDesk, Worker, Visitor]:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("Ann")
    ann.ask(wire.TakeDuty(1, ""))
    asha = help_desk.joined("Asha")
    ann.hear()
    asha.hear()
    return help_desk, ann, asha


def heard(talker: Talker) -> list[tuple[str, LineMark, int]]:
    """What they were told: text, mark, and the position that is changed."""
    talker.hear()
    lines, talker.lines = talker.lines, []
    return [(line.text, line.mark, line.target) for line in lines]


def refusals(talker: Talker) -> list[LineRefusal]:
    return [one.reason for one in talker.hear() if isinstance(one, wire.LineRefused)]


def test_both_ends_change_their_own_lines_and_the_other_is_told_once() -> None:
    _, ann, asha = scene()
    asha.say("helo")
    ann.say(1, "wat?")
    change(asha, 1, EDITED, "hello")
    change(ann, 1, EDITED, "what?")
    change(ann, 1, RETRACTED)
    assert heard(ann) == [("helo", SAID, 0), ("hello", EDITED, 1)]
    assert heard(asha) == [("wat?", SAID, 0), ("what?", EDITED, 2), ("", RETRACTED, 2)]
    assert heard(ann) == heard(asha) == []


def test_whoever_begins_later_is_told_the_line_as_it_is_now() -> None:
    help_desk, ann, asha = scene()
    for text in ("one", "two"):
        asha.say(text)
    change(asha, 1, EDITED, "uno")
    change(asha, 2, RETRACTED)
    ann.hear()
    bob = help_desk.operator("Bob")
    bob.ask(wire.TakeDuty(1, ""))
    ann.ask(wire.HandOver(2, 1, "Bob"))
    now = [("uno", EDITED, 0), ("", RETRACTED, 0), ("uno", EDITED, 1), ("", RETRACTED, 2)]
    assert heard(bob) == now


def test_a_change_survives_a_kill_of_the_registry_and_is_told_once() -> None:
    help_desk, ann, asha = scene()
    asha.say("helo")
    assert heard(ann) == [("helo", SAID, 0)]
    ann.drop()
    change(asha, 1, EDITED, "hello")
    help_desk.restart(crash=True)
    asha.come_back()
    asha.ask(wire.SendDeskLine(1, 2, "hello", EDITED, 1))  # the answer was lost
    assert asha.last(wire.LinesSaved).number == 2
    ann.come_back()
    assert heard(ann) == [("hello", EDITED, 1)]
    (line, _) = help_desk.rig.store.load().desk.lines[1]
    assert (line.text, line.mark) == ("hello", EDITED)


def test_a_program_that_knows_nothing_any_more_is_told_its_own_changes_too() -> None:
    _, ann, asha = scene()
    asha.say("helo")
    change(asha, 1, EDITED, "hello")
    asha.start_anew()
    asha.hear()
    said = [(line.number, line.text, line.mark, line.target) for line in asha.lines]
    assert said == [(1, "hello", EDITED, 0), (2, "hello", EDITED, 1)]
    assert heard(ann) == [("helo", SAID, 0), ("hello", EDITED, 1)]


@pytest.mark.parametrize("mark", [EDITED, RETRACTED])
def test_nobody_changes_what_they_have_not_said(mark: LineMark) -> None:
    _, ann, asha = scene()
    ann.say(1, "hello")  # position 1, and number 1 of Ann's
    for target in (0, 1, 2, 2**32):
        change(asha, target, mark, "I give in")
        assert refusals(asha) == [LineRefusal.NO_SUCH_LINE]
    assert heard(asha) == [("hello", SAID, 0)]
    assert heard(ann) == []


def test_neither_a_change_nor_what_is_taken_back_is_changed() -> None:
    _, ann, asha = scene()
    asha.say("helo")
    change(asha, 1, EDITED, "hello")
    change(asha, 2, EDITED, "of the change")
    assert refusals(asha) == [LineRefusal.NO_SUCH_LINE]
    change(asha, 1, RETRACTED)
    change(asha, 1, EDITED, "again")
    assert refusals(asha) == [LineRefusal.NO_SUCH_LINE]
    assert heard(ann)[-1] == ("", RETRACTED, 1)


def test_a_change_of_another_visit_or_after_the_end_or_out_of_turn_is_refused() -> None:
    help_desk, ann, asha = scene()
    bela = help_desk.joined("Bela")
    asha.say("hello")
    ann.hear()
    change(bela, 1, RETRACTED, visit=1)
    assert refusals(bela) == [LineRefusal.NO_CLIENT]
    change(bela, 1, RETRACTED, visit=2)
    assert refusals(bela) == [LineRefusal.NOT_YOUR_TURN]
    ann.say(1, "bye")
    ann.ask(wire.EndSession(3, 1))
    ann.hear()
    change(asha, 1, RETRACTED)
    change(ann, 1, RETRACTED)
    assert refusals(asha) == [LineRefusal.NO_CLIENT]
    assert refusals(ann) == [LineRefusal.NO_CLIENT]


def test_an_old_line_stays_as_it_is() -> None:
    transcript = Transcript()
    said = transcript.take(ANN, name="", number=1, at=0, text="x")
    assert transcript.to_change(ANN, 1, at=CHANGED_WITHIN_MS) == said
    assert transcript.to_change(ANN, 1, at=CHANGED_WITHIN_MS + 1) is None


def test_a_flood_of_changes_pays_as_lines_do() -> None:
    help_desk, ann, asha = scene()
    asha.say("x")
    ann.hear()
    for _ in range(int(DESK_LINES_BURST) + 10):
        change(asha, 1, EDITED, "y")
    refused = refusals(asha)
    assert set(refused) == {LineRefusal.TOO_FAST}
    assert len(refused) >= 10
    kept = help_desk.rig.store.load().desk.lines[1]
    assert len(kept) <= DESK_LINES_BURST + 1
    assert [line.text for line in kept if line.text] == ["y"]


def test_what_was_taken_back_is_not_in_the_past() -> None:
    help_desk, ann, asha = scene()
    for text in ("my pin is 1234", "hello?"):
        asha.say(text)
    ann.say(1, "yes")
    change(asha, 1, RETRACTED)
    change(asha, 2, EDITED, "hello!")
    ann.ask(wire.EndSession(3, 1))
    ann.ask(wire.ShowPast(9, "", 0))
    (session,) = ann.last(wire.PastShown).sessions
    said = [(line.operator, line.text, line.mark) for line in session.lines]
    assert said == [("", "", RETRACTED), ("", "hello!", EDITED), ("Ann", "yes", SAID)]
    assert session.left_out == 0
    assert "1234" not in repr(help_desk.rig.store.load().desk)


def test_the_visitor_of_an_ended_session_is_told_the_changes_that_they_missed() -> None:
    _, ann, asha = scene()
    ann.say(1, "helo")
    assert heard(asha) == [("helo", SAID, 0)]
    asha.drop()
    change(ann, 1, EDITED, "hello")
    ann.say(1, "bye")
    ann.ask(wire.EndSession(3, 1))
    Talker.come_back(asha)
    asha.ask(wire.ReturnToDesk(6, asha.ticket, 1))
    assert heard(asha) == [("hello", EDITED, 1), ("bye", SAID, 0)]


def test_the_terminal_of_the_registry_shows_changes(help_desk: HelpDesk) -> None:
    (asha,) = help_desk.line_of("Asha")
    asha.say("helo")
    change(asha, 1, EDITED, "hello")
    change(asha, 1, RETRACTED)
    assert help_desk.shown()[-3:] == [
        "Asha: helo",
        '[Asha changed a message to "hello".]',
        "[Asha took back a message.]",
    ]


# --- the transcript by itself


def said(transcript: Transcript, author: bytes, number: int, text: str = "x") -> TranscriptLine:
    line = transcript.take(author, name="", number=number, at=0, text=text)
    transcript.stored(line.position)
    return line


def changed(
    transcript: Transcript, target: TranscriptLine, number: int, text: str, mark: LineMark = EDITED
) -> TranscriptLine:
    return transcript.take(
        target.author,
        name="",
        number=number,
        at=0,
        text=text,
        mark=mark,
        target=target.position,
    )


def test_a_change_counts_from_when_it_is_on_the_disk() -> None:
    transcript = Transcript()
    line = said(transcript, ANN, 1, "helo")
    edit = changed(transcript, line, 2, "hello")
    assert [one.text for one in transcript.due(VISITOR)] == ["helo"]
    transcript.stored(edit.position)
    assert [(one.position, one.text) for one in transcript.due(VISITOR)] == [(2, "hello")]
    lost = changed(transcript, line, 3, "", RETRACTED)
    transcript.discard(lost.position)
    assert [one.text for one in transcript] == ["hello", ""]


def test_nothing_is_edited_whose_retraction_is_on_its_way_to_the_disk() -> None:
    transcript = Transcript()
    line = said(transcript, ANN, 1, "helo")
    changed(transcript, line, 2, "", RETRACTED)
    assert transcript.to_change(ANN, 1, at=0) is None
    assert [one.text for one in transcript] == ["", ""]


def test_a_line_stays_until_its_last_change_was_read() -> None:
    transcript = Transcript()
    line = said(transcript, ANN, 1)
    transcript.confirm(VISITOR, 1)
    transcript.stored(changed(transcript, line, 2, "y").position)
    for number in range(3, DESK_LINES_MAX + 1):
        said(transcript, ANN, number)
    assert not transcript.has_capacity("x")
    transcript.confirm(VISITOR, 2)
    assert transcript.has_capacity("x")
    assert not transcript.has_capacity("x", target=1)
    said(transcript, ANN, DESK_LINES_MAX + 1)
    assert transcript.first == 2
    transcript.add_reader(b"b" * 32)
    transcript.resume(b"b" * 32)
    assert transcript.due(b"b" * 32)[0].position == 3  # what the second changed is gone


def test_changes_do_not_grow_what_is_kept() -> None:
    transcript = Transcript()
    line, number = said(transcript, ANN, 1), 1
    while transcript.has_capacity("x" * TEXT_MAX, target=line.position):
        number += 1
        transcript.stored(changed(transcript, line, number, "x" * TEXT_MAX).position)
        assert transcript._size <= DESK_LINES_BYTES_MAX
    assert transcript._size == sum(one.size for one in transcript._lines)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "edit", "retract", "read", "break", "anew"]), st.integers(0, 6)
    ),
    max_size=50,
)


@given(STEPS)
def test_a_reader_ends_with_what_the_author_sees(steps: list[tuple[str, int]]) -> None:
    """Whatever is lost, and whenever the reader begins."""
    transcript = Transcript()
    lines: list[TranscriptLine] = []
    shown: dict[int, tuple[str, LineMark]] = {}
    upto = number = 0

    def read(*, confirms: bool) -> bool:
        nonlocal upto
        due = transcript.due(VISITOR)
        for line in due:
            if line.position > upto:
                upto = line.position
                shown[line.target or line.position] = line.text, line.mark
        if due and confirms:
            transcript.confirm(VISITOR, upto)
        return bool(due)

    for what, which in steps:
        if what == "say":
            number += 1
            lines.append(said(transcript, ANN, number, f"{number}"))
        elif what in ("edit", "retract") and lines:
            line = lines[which % len(lines)]
            if transcript.to_change(ANN, line.number, at=0) is not None:
                number += 1
                mark = EDITED if what == "edit" else RETRACTED
                text = f"now {number}" if what == "edit" else ""
                transcript.stored(changed(transcript, line, number, text, mark).position)
        elif what == "read":
            read(confirms=bool(which % 2))
        elif what == "break":
            transcript.resume(VISITOR, shown=upto)
        elif what == "anew":
            shown, upto = {}, 0
            transcript.resume(VISITOR, with_own=True)
    transcript.resume(VISITOR, shown=upto)
    while read(confirms=True):
        pass
    kept = {one.position: (one.text, one.mark) for one in transcript if not one.target}
    assert shown == kept
