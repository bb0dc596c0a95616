"""Answers that wait for the disk: sent in order, and only when their records are on disk."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.engine.barrier import CommitBarrier
from chatapp.registry.rules.admin.messages import Done
from chatapp.registry.rules.effects import (
    AnswerAdmin,
    Caller,
    Effect,
    LettersOutcome,
    Persist,
    Resume,
    StoreLetter,
)
from chatapp.registry.store.entries import Entry, GroupCut, MailStored


def entry(position: int) -> Entry:
    return GroupCut("channel", position)


def said(what: str) -> AnswerAdmin:
    return AnswerAdmin(ticket=what, answer=Done())


def persist(number: int, count: int = 1) -> Persist:
    return Persist(
        entries=tuple(entry(number) for _ in range(count)),
        then=(said(f"{number} kept"),),
        otherwise=(said(f"{number} lost"),),
    )


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


def reasons(effects: "list[Effect] | tuple[Effect, ...]") -> list[str]:
    """What became of each number."""
    found: list[str] = []
    for effect in effects:
        if isinstance(effect, AnswerAdmin):
            found.append(effect.ticket)
        elif isinstance(effect, Resume) and isinstance(effect.request, LettersOutcome):
            what = "kept" if effect.request.is_stored else "lost"
            found += [f"{one.reference} {what}" for one in effect.request.letters]
    return found


def test_an_effect_waits_for_its_entries() -> None:
    barrier = CommitBarrier()
    assert not barrier.add(persist(1, count=2))
    assert len(barrier.entries_to_store()) == 2
    assert barrier.stored(1) == []
    assert reasons(barrier.stored(1)) == ["1 kept"]
    assert barrier.is_idle


def test_an_effect_without_entries_waits_for_those_before_it() -> None:
    barrier = CommitBarrier()
    barrier.add(persist(1))
    assert not barrier.add(persist(2, count=0))
    barrier.entries_to_store()
    assert reasons(barrier.stored(1)) == ["1 kept", "2 kept"]
    assert reasons(list(barrier.add(persist(3, count=0)))) == ["3 kept"], "nothing is on its way"


def test_the_number_of_waiting_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.barrier.PROMISES_MAX", 2)
    barrier = CommitBarrier()
    for number in (1, 2):
        assert not barrier.add(persist(number))
    assert reasons(list(barrier.add(persist(3)))) == ["3 lost"], "as if the disk were full"
    for number in (4, 5, 6):
        assert not barrier.add(persist(number, count=0))
    assert not barrier.add(Persist(entries=(entry(7),))), (
        "what barrier nothing is stored whatever waits"
    )
    assert len(barrier.entries_to_store()) == 3
    assert reasons(barrier.stored(3)) == ["1 kept", "2 kept", "4 kept", "5 kept"]
    assert not barrier.add(persist(8))


def test_the_bytes_of_waiting_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.barrier.PROMISES_BYTES_MAX", 100)
    barrier = CommitBarrier()
    for number in (1, 2):
        assert not barrier.add(msgspec.structs.replace(persist(number), held=60))
    assert reasons(list(barrier.add(msgspec.structs.replace(persist(3), held=1)))) == ["3 lost"]
    assert not barrier.add(persist(4)), "what holds nothing waits all the same"
    assert len(barrier.entries_to_store()) == 3
    assert reasons(barrier.failed(2)) == ["2 lost", "4 lost"]
    assert not barrier.add(msgspec.structs.replace(persist(5), held=60))
    assert reasons(barrier.stored(1)) == ["1 kept"]
    assert not barrier.add(msgspec.structs.replace(persist(6), held=60))


def test_a_failure_hits_the_newest_only() -> None:
    barrier = CommitBarrier()
    barrier.add(persist(1))
    barrier.entries_to_store()
    barrier.add(persist(2))
    barrier.entries_to_store()
    assert reasons(barrier.failed(1)) == ["2 lost"]
    assert reasons(barrier.stored(1)) == ["1 kept"]


def test_a_failure_of_all_spares_what_was_not_handed_over() -> None:
    barrier = CommitBarrier()
    barrier.add(persist(1))
    barrier.entries_to_store()
    barrier.add(persist(2))
    assert reasons(barrier.failed(None)) == ["1 lost"]
    barrier.entries_to_store()
    assert reasons(barrier.stored(1)) == ["2 kept"]


def test_letters_of_one_turn_are_settled_together() -> None:
    barrier = CommitBarrier()
    for number in (1, 2):
        assert barrier.add_letter(letter(number))
    barrier.entries_to_store()
    assert barrier.add_letter(letter(3))
    barrier.add(persist(4))
    assert barrier.add_letter(letter(5))
    barrier.entries_to_store()
    assert barrier.stored(1) == [], "what went to the disk together"
    assert [reasons([effect]) for effect in barrier.stored(4)] == [
        ["1 kept", "2 kept"],
        ["3 kept"],
        ["4 kept"],
        ["5 kept"],
    ]


def test_the_number_of_waiting_letters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.engine.barrier.PROMISES_MAX", 2)
    barrier = CommitBarrier()
    assert [barrier.add_letter(letter(number)) for number in (1, 2, 3)] == [True, True, False]
    assert len(barrier.entries_to_store()) == 2
    assert reasons(barrier.failed(None)) == ["1 lost", "2 lost"]
    assert barrier.add_letter(letter(4))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "letter", "hand", "store", "fail", "fail all"]),
            st.integers(0, 3),
        )
    )
)
def test_each_effect_is_settled_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    barrier = CommitBarrier()
    settled: list[str] = []
    made = 0
    on_the_way = 0
    for what, value in [*steps, ("hand", 0), ("store", 99)]:
        if what == "add":
            made += 1
            settled += reasons(list(barrier.add(persist(made, count=value))))
        elif what == "letter":
            made += 1
            assert barrier.add_letter(letter(made))
        elif what == "hand":
            on_the_way += len(barrier.entries_to_store())
        elif what == "store":
            settled += reasons(barrier.stored(min(value, on_the_way)))
            on_the_way -= min(value, on_the_way)
        else:
            count = None if what == "fail all" else value
            settled += reasons(barrier.failed(count))
            on_the_way -= on_the_way if count is None else min(count, on_the_way)
    numbers = [int(one.split()[0]) for one in settled]
    assert sorted(numbers) == list(range(1, made + 1))
    kept = [int(one.split()[0]) for one in settled if one.endswith("kept")]
    assert kept == sorted(kept)
