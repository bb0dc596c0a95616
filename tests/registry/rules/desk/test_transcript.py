"""Lines of a visit: each is read once and in order, whatever is lost on the way; and the limits."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.desk.talk.transcript import VISITOR, Transcript, TranscriptLine
from chatapp.wire.limits import DESK_LINES_BYTES_MAX, DESK_LINES_MAX, DESK_WINDOW, TEXT_MAX

ANN = b"a" * 32


def say(transcript: Transcript, author: bytes, number: int, text: str = "x") -> TranscriptLine:
    said = transcript.take(author, name="", number=number, at=0, text=text)
    transcript.stored(said.position)
    return said


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from([VISITOR, ANN]), st.sampled_from([1, 40_000])),
        st.tuples(
            st.sampled_from(["read", "break"]), st.sampled_from([VISITOR, ANN]), st.booleans()
        ),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_line_is_read_once_and_in_order(steps: list[tuple[str, bytes, int]]) -> None:
    transcript = Transcript()
    transcript.resume(ANN)
    shown: dict[bytes, list[int]] = {VISITOR: [], ANN: []}
    said: dict[bytes, list[int]] = {VISITOR: [], ANN: []}
    number = 0

    def read(reader: bytes, *, confirms: bool) -> bool:
        due = transcript.due(reader)
        for line in due:
            if not shown[reader] or line.position > shown[reader][-1]:
                shown[reader].append(line.position)
        if due and confirms:
            transcript.confirm(reader, due[-1].position)
        return bool(due)

    for what, who, how in steps:
        if what == "say" and transcript.has_capacity("x" * how):
            number += 1
            said[who].append(say(transcript, who, number, "x" * how).position)
        elif what == "read":
            read(who, confirms=bool(how))
        elif what == "break":
            transcript.add_reader(who) if how else None
            transcript.resume(who)
    for reader, author in ((VISITOR, ANN), (ANN, VISITOR)):
        transcript.resume(reader)
        while read(reader, confirms=True):
            pass
        assert shown[reader] == said[author]


def test_no_more_is_on_the_way_than_the_window() -> None:
    transcript = Transcript()
    for number in range(1, 5):
        say(transcript, ANN, number, "x" * (DESK_WINDOW // 2))
    assert [one.position for one in transcript.due(VISITOR)] == [1]
    assert transcript.due(VISITOR) == []
    transcript.confirm(VISITOR, 1)
    assert [one.position for one in transcript.due(VISITOR)] == [2]


def test_a_line_longer_than_the_window_goes_alone() -> None:
    transcript = Transcript()
    say(transcript, ANN, 1, "x" * TEXT_MAX)
    say(transcript, ANN, 2)
    assert [one.position for one in transcript.due(VISITOR)] == [1]


def test_what_is_unread_is_never_dropped() -> None:
    transcript = Transcript()
    for number in range(1, DESK_LINES_MAX + 1):
        assert transcript.has_capacity("x")
        say(transcript, ANN, number)
    assert not transcript.has_capacity("x")
    transcript.confirm(VISITOR, 1)
    assert transcript.has_capacity("x")
    assert say(transcript, ANN, DESK_LINES_MAX + 1).position == DESK_LINES_MAX + 1
    assert transcript.first == 2


def test_bytes_have_a_cap_too() -> None:
    transcript = Transcript()
    number = 0
    while transcript.has_capacity("x" * TEXT_MAX):
        number += 1
        say(transcript, ANN, number, "x" * TEXT_MAX)
    assert number == DESK_LINES_BYTES_MAX // TEXT_MAX - 1


def test_what_the_disk_refused_was_not_said() -> None:
    transcript = Transcript()
    said = transcript.take(ANN, name="", number=1, at=0, text="x")
    assert transcript.due(VISITOR) == []
    transcript.discard(said.position)
    later = say(transcript, ANN, 2)
    assert transcript.due(VISITOR) == [later]


def test_nothing_is_confirmed_that_is_not_on_disk() -> None:
    transcript = Transcript()
    transcript.take(ANN, name="", number=1, at=0, text="x")
    transcript.confirm(VISITOR, 2**40)
    transcript.stored(1)
    assert [one.position for one in transcript.due(VISITOR)] == [1]


def test_numbers_are_known_after_a_restart() -> None:
    transcript = Transcript()
    transcript.load(
        [TranscriptLine(3, ANN, "ann", 70, 0, "x"), TranscriptLine(4, VISITOR, "", 9, 0, "y")]
    )
    assert (transcript.taken(ANN), transcript.taken(VISITOR), transcript.first) == (70, 9, 3)
    assert say(transcript, ANN, 71).position == 5


def test_nothing_is_sent_or_dropped_before_a_reader_says_where_they_are() -> None:
    transcript = Transcript()
    transcript.add_reader(ANN)
    for number in range(1, DESK_LINES_MAX + 1):
        say(transcript, VISITOR, number)
    assert transcript.due(ANN) == []
    assert not transcript.has_capacity("x")
    transcript.resume(ANN, shown=2)
    assert transcript.due(ANN)[0].position == 3


def test_a_reader_who_knows_nothing_is_sent_their_own_lines_too_but_no_later_ones() -> None:
    transcript = Transcript()
    say(transcript, VISITOR, 1)
    say(transcript, ANN, 1)
    transcript.resume(ANN)
    assert [one.position for one in transcript.due(ANN)] == [1]
    transcript.add_reader(ANN)
    transcript.resume(ANN, with_own=True)
    say(transcript, ANN, 2)
    say(transcript, VISITOR, 2)
    assert [one.position for one in transcript.due(ANN)] == [1, 2, 4]
    transcript.confirm(ANN, 4)
    say(transcript, VISITOR, 3)
    assert [one.position for one in transcript.rest(ANN)] == [5]


def test_a_line_that_was_not_stored_does_not_count_as_accepted() -> None:
    transcript = Transcript()
    say(transcript, ANN, 1)
    lost = [transcript.take(ANN, name="", number=number, at=0, text="x") for number in (2, 3)]
    for said in lost:
        transcript.discard(said.position)
    assert (transcript.taken(ANN), transcript.saved(ANN)) == (1, 1)
    assert not transcript.is_discarded(ANN, 2)
    (lost_again, *_) = [
        transcript.take(ANN, name="", number=number, at=0, text="x") for number in (2, 3)
    ]
    transcript.discard(lost_again.position)
    assert (transcript.taken(ANN), transcript.saved(ANN)) == (3, 1)
    assert transcript.is_discarded(ANN, 2)
