"""The writer against a broker that loses answers, stores late, and has another owner."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    ClusterKey,
    Head,
    JournalReader,
    Opener,
    Sealer,
)
from chatapp.registry.cluster.stream.ledger import (
    Acked,
    Answer,
    Overtaken,
    Publication,
    Refused,
    Stream,
    Unanswered,
)
from chatapp.registry.cluster.stream.writer import RETRY_SPAN, Writer, WriterState
from chatapp.registry.store.entries import MailStored, encode
from chatapp.wire.storage import frame
from tests.registry.store.playbook import stored
from tests.support.memory_ledger import MemoryLedger

KEY = ClusterKey(bytes(KEY_SIZE))
NOWHERE = Head()


def writer(salt: int = 0, head: Head = NOWHERE, *, size: int = 1000) -> Writer:
    return Writer(Sealer(KEY, "c", bytes([salt]) * 16), head, size)


def state(one: Writer) -> WriterState:
    return one.state


def turn(serial: int) -> list[bytes]:
    return [frame(encode(stored(serial)))]


def serials(ledger: MemoryLedger) -> list[int]:
    """Return the letters in the journal."""
    reader = JournalReader(Opener(KEY, "c"), Head())
    found: list[int] = []
    for place, message in ledger.read(Stream.JOURNAL, 1, ledger.last[Stream.JOURNAL]):
        turn = reader.take(place, message)
        found += [record.serial for record, _ in turn if isinstance(record, MailStored)]
    return found


def step(one: Writer, ledger: MemoryLedger, answer: Answer | None = None) -> None:
    """Let a writer do what it wants next; `answer` instead of the broker's."""
    publication = one.publication(now=1e9)
    if publication is not None:
        found = ledger.publish(publication)
        one.answered(found if answer is None else answer, now=1e9)
    elif one.state is WriterState.LOOKING:
        place, last = one.head.number + 1, ledger.last[Stream.JOURNAL]
        found_there = next(ledger.read(Stream.JOURNAL, place, place), None)
        one.looked(found_there and found_there.message, last=last, now=1e9)


def test_a_lost_answer_stores_nothing_twice() -> None:
    for forgets in (False, True):
        ledger, one = MemoryLedger(), writer()
        one.begin(turn(1))
        step(one, ledger, Unanswered())
        assert one.publication(now=1e9 + RETRY_SPAN / 2) is None
        assert one.next_timer == 1e9 + RETRY_SPAN
        if forgets:
            ledger.forget_ids()
        publication = one.publication(now=2e9)
        assert publication is not None
        one.answered(ledger.publish(publication), now=2e9)
        assert (one.state is WriterState.LOOKING) == forgets
        step(one, ledger)
        assert state(one) is WriterState.READY
        assert serials(ledger) == [1]


def test_an_owner_that_was_overtaken_writes_nothing_more() -> None:
    ledger, old = MemoryLedger(), writer()
    old.begin(turn(1))
    step(old, ledger)
    new = writer(1, old.head)
    new.begin(turn(2))
    step(new, ledger)
    old.begin(turn(3))
    step(old, ledger)
    assert state(old) is WriterState.LOOKING
    step(old, ledger)
    assert state(old) is WriterState.FENCED
    assert serials(ledger) == [1, 2]


def test_a_stream_that_lost_what_it_confirmed_is_noticed() -> None:
    ledger, one = MemoryLedger(), writer()
    one.begin(turn(1))
    step(one, ledger)
    empty = MemoryLedger()
    one.begin(turn(2))
    step(one, empty)
    step(one, empty)
    assert state(one) is WriterState.SHORTENED


def test_an_answer_from_a_leader_that_was_behind_is_asked_again() -> None:
    ledger, one = MemoryLedger(), writer()
    one.begin(turn(1))
    publication = one.publication(now=0)
    assert publication is not None
    one.answered(Overtaken(), now=0)
    one.looked(None, last=0, now=5.0)
    assert (one.state, one.next_timer) == (WriterState.SENDING, 5.0 + RETRY_SPAN)
    step(one, ledger)
    assert serials(ledger) == [1]


def test_after_a_refusal_the_turn_is_dropped_and_the_next_is_written() -> None:
    ledger, one = MemoryLedger(), writer(size=100)
    one.begin([*turn(1), *turn(2), *turn(3)])
    step(one, ledger)
    ledger.refuses = Refused("maximum bytes exceeded", is_full=True)
    step(one, ledger)
    assert (state(one), one.is_full) == (WriterState.REFUSED, True)
    one.looked(None, last=0, now=0)
    one.answered(Acked(2), now=0)
    assert state(one) is WriterState.REFUSED
    ledger.refuses = None
    one.resume()
    one.begin(turn(4))
    while state(one) is WriterState.SENDING:
        step(one, ledger)
    assert serials(ledger) == [4]


@given(data=st.data())
def test_whatever_the_broker_does_one_order_of_confirmed_turns_is_kept(data: st.DataObject) -> None:
    """Two owners, one of which does not know that it is none: messages come late, twice, or not at
    all."""
    ledger = MemoryLedger()
    owners = [writer(0, size=100)]
    late: list[Publication] = []
    confirmed: list[int] = []
    on_the_way: dict[int, int] = {}
    serial = 0
    for _ in range(data.draw(st.integers(5, 60))):
        match data.draw(
            st.sampled_from(("write", "write", "step", "step", "late", "take over", "forget"))
        ):
            case "write":
                index = data.draw(st.integers(0, len(owners) - 1))
                if owners[index].state is WriterState.READY:
                    serial += 1
                    owners[index].begin(turn(serial) * data.draw(st.integers(1, 3)))
                    on_the_way[index] = serial
            case "step":
                index = data.draw(st.integers(0, len(owners) - 1))
                one = owners[index]
                publication = one.publication(now=1e9)
                fate = data.draw(st.sampled_from(("answered", "lost", "unanswered", "late")))
                if publication is None or fate == "answered":
                    step(one, ledger)
                else:
                    if fate == "unanswered":
                        ledger.publish(publication)
                    elif fate == "late":
                        late.append(publication)
                    one.answered(Unanswered(), now=0)
                if one.state is WriterState.READY and index in on_the_way:
                    confirmed.append(on_the_way.pop(index))
            case "late" if late:
                ledger.publish(late.pop(data.draw(st.integers(0, len(late) - 1))))
            case "take over" if len(owners) < 4:
                reader = JournalReader(Opener(KEY, "c"), Head())
                for place, message in ledger.read(Stream.JOURNAL, 1, ledger.last[Stream.JOURNAL]):
                    reader.take(place, message)
                owners.append(writer(len(owners), reader.head, size=100))
            case "forget" if not late:
                ledger.forget_ids()
            case _:
                pass
    kept = list(dict.fromkeys(serials(ledger)))
    assert [one for one in kept if one in confirmed] == confirmed
    assert set(confirmed) <= set(kept)
