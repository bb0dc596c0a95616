"""Rules that wait for the disk go on in order, and only when their entries are there or lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.engine.engine import CommitBarrier, Promise
from chatapp.registry.rules.admin_requests import Done
from chatapp.registry.rules.effects import AnswerAdmin, Caller, Rule, Settled, Store, StoreLetter
from chatapp.registry.store.entries import Entry, GroupCut, MailStored


def entry(position: int) -> Entry:
    return GroupCut("channel", position)


def rule(number: int, count: int, held: int, *, is_reserved: bool) -> Rule:
    is_stored, _ = yield Store(tuple(entry(number) for _ in range(count)), held, is_reserved)
    yield AnswerAdmin(ticket=f"{number} {'kept' if is_stored else 'lost'}", answer=Done())


def add(
    barrier: CommitBarrier, number: int, count: int = 1, held: int = 0, *, is_reserved: bool = False
) -> list[str]:
    """Begin a rule. Return what became of it at once."""
    begun = rule(number, count, held, is_reserved=is_reserved)
    store = next(begun)
    assert isinstance(store, Store)
    is_stored = barrier.add(store, begun)
    return [] if is_stored is None else [went_on(begun, is_stored=is_stored)]


def went_on(waiting: Rule, *, is_stored: bool) -> str:
    answer = waiting.send(Settled(is_stored, 0.0))
    assert isinstance(answer, AnswerAdmin)
    return answer.ticket


def outcomes(promises: list[Promise]) -> list[str]:
    """What becomes of those who waited."""
    went: list[str] = []
    for promise in promises:
        what = "lost" if promise.is_lost else "kept"
        if isinstance(promise.waiting, list):
            went += [f"{letter.reference} {what}" for letter in promise.waiting]
        else:
            went.append(went_on(promise.waiting, is_stored=not promise.is_lost))
    return went


def stored(barrier: CommitBarrier, count: int) -> list[str]:
    return outcomes(barrier.stored(count))


def failed(barrier: CommitBarrier, newest: int | None) -> list[str]:
    return outcomes(barrier.failed(newest))


def letter(number: int) -> StoreLetter:
    entry = MailStored(
        recipient=bytes(32),
        serial=number,
        sender=bytes(32),
        sender_name="ann",
        number=1,
        at=0,
        letter=b"",
    )
    return StoreLetter(entry=entry, reference=number, to=Caller(identity=bytes(32)))


def test_a_rule_waits_for_its_entries() -> None:
    barrier = CommitBarrier()
    assert not add(barrier, 1, count=2)
    assert len(barrier.entries_to_store()) == 2
    assert stored(barrier, 1) == []
    assert stored(barrier, 1) == ["1 kept"]
    assert barrier.is_idle


def test_a_rule_without_entries_waits_for_those_before_it() -> None:
    barrier = CommitBarrier()
    add(barrier, 1)
    assert not add(barrier, 2, count=0)
    barrier.entries_to_store()
    assert stored(barrier, 1) == ["1 kept", "2 kept"]
    assert add(barrier, 3, count=0) == ["3 kept"], "nothing is on its way"


def test_the_number_of_waiting_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_MAX", 2)
    barrier = CommitBarrier()
    for number in (1, 2):
        assert not add(barrier, number)
    assert add(barrier, 3) == ["3 lost"], "as if the disk were full"
    assert not add(barrier, 4, count=0), "dropped"
    for number, count in ((5, 1), (6, 0), (7, 0)):
        assert not add(barrier, number, count=count, is_reserved=True)
    assert add(barrier, 8, is_reserved=True) == ["8 lost"]
    barrier.append([entry(9)])  # what nothing waits for is stored whatever waits
    assert len(barrier.entries_to_store()) == 4
    assert stored(barrier, 4) == ["1 kept", "2 kept", "5 kept", "6 kept"]
    assert [add(barrier, number) for number in (10, 11, 12)] == [[], [], ["12 lost"]]


def test_the_bytes_of_waiting_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_BYTES_MAX", 100)
    barrier = CommitBarrier()
    assert barrier.add_letter(letter(0))
    barrier.entries_to_store()
    assert stored(barrier, 1) == ["0 kept"]
    for number, held in ((1, 99), (2, 1)):
        assert not add(barrier, number, held=held)
    assert add(barrier, 3, held=1) == ["3 lost"]
    assert not add(barrier, 4), "what holds nothing waits all the same"
    assert len(barrier.entries_to_store()) == 3
    assert failed(barrier, 2) == []
    assert stored(barrier, 1) == ["1 kept", "2 lost", "4 lost"]
    assert not add(barrier, 5, held=60)
    assert not add(barrier, 6, held=60)


def test_a_failure_hits_the_newest_only_and_is_told_behind_what_was_before() -> None:
    """An operator who was told of a new client, and then that the former one is gone, served
    nobody."""
    barrier = CommitBarrier()
    add(barrier, 1)
    barrier.entries_to_store()
    add(barrier, 2)
    barrier.entries_to_store()
    assert failed(barrier, 1) == []
    add(barrier, 3)
    barrier.entries_to_store()
    assert stored(barrier, 1) == ["1 kept", "2 lost"]
    assert stored(barrier, 1) == ["3 kept"]


def test_a_failure_of_all_spares_what_was_not_handed_over() -> None:
    barrier = CommitBarrier()
    add(barrier, 1)
    barrier.entries_to_store()
    assert stored(barrier, 1) == ["1 kept"]
    add(barrier, 2)
    barrier.entries_to_store()
    add(barrier, 3)
    assert failed(barrier, None) == ["2 lost"]
    barrier.entries_to_store()
    assert stored(barrier, 1) == ["3 kept"]
    assert barrier.stored_in_all == 2


def test_letters_of_one_turn_are_settled_together() -> None:
    barrier = CommitBarrier()
    for number in (1, 2):
        assert barrier.add_letter(letter(number))
    barrier.entries_to_store()
    assert barrier.add_letter(letter(3))
    add(barrier, 4)
    assert barrier.add_letter(letter(5))
    barrier.entries_to_store()
    assert barrier.stored(1) == [], "what went to the disk together"
    assert [outcomes([promise]) for promise in barrier.stored(4)] == [
        ["1 kept", "2 kept"],
        ["3 kept"],
        ["4 kept"],
        ["5 kept"],
    ]


def test_the_number_of_waiting_letters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_MAX", 2)
    barrier = CommitBarrier()
    assert [barrier.add_letter(letter(number)) for number in (1, 2, 3)] == [True, True, False]
    assert len(barrier.entries_to_store()) == 2
    assert failed(barrier, None) == ["1 lost", "2 lost"]
    assert barrier.add_letter(letter(4))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "letter", "hand", "store", "fail", "fail all"]),
            st.integers(0, 3),
        )
    )
)
def test_each_rule_is_settled_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    barrier = CommitBarrier()
    settled: list[str] = []
    made = 0
    on_the_way = 0
    for what, value in [*steps, ("hand", 0), ("store", 99)]:
        if what == "add":
            made += 1
            settled += add(barrier, made, count=value)
        elif what == "letter":
            made += 1
            assert barrier.add_letter(letter(made))
        elif what == "hand":
            on_the_way += len(barrier.entries_to_store())
        elif what == "store":
            settled += stored(barrier, min(value, on_the_way))
            on_the_way -= min(value, on_the_way)
        else:
            count = None if what == "fail all" else value
            settled += failed(barrier, count)
            on_the_way -= on_the_way if count is None else min(count, on_the_way)
    numbers = [int(outcome.split()[0]) for outcome in settled]
    assert numbers == list(range(1, made + 1))
