"""Dropping old lines beyond the limit: in small steps, from the largest conversation, and never a
line that still matters."""

from typing import Final

import msgspec
import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.conversation import make_inbox
from chatapp.peer.core.records import (
    FloorRaised,
    IncomingAdded,
    OutgoingAdded,
    OutgoingChanged,
    Shown,
    group_mark,
)
from chatapp.peer.history.database import History
from chatapp.wire.delivery.dedup import NEW, REPEAT
from chatapp.wire.messages.direct import PROVISIONAL
from chatapp.wire.messages.rooms import CHANNEL
from tests.peer.core.cast import POLICY, Someone
from tests.support.histories import in_memory

BOB, CAROL = Someone("bob"), Someone("carol")


def drop(history: History, *, keep: int, bytes_kept: int = 2**40) -> None:
    while history.maintenance.drop_oldest(lines_kept=keep, bytes_kept=bytes_kept, most=2):
        pass


def texts(history: History) -> list[str]:
    return [line.text for line in history.lines.all()]


def test_the_newest_stay_and_what_went_is_not_found() -> None:
    history = in_memory()
    for number in range(1, 11):
        history.apply([OutgoingAdded(BOB.id, number, 0, f"line {number}")])
        history.apply([OutgoingChanged(BOB.id, number, MessageState.DELIVERED)])
    history.lines.index.catch_up()
    assert len(history.lines.search("line", 50)) == 10
    drop(history, keep=3)
    assert texts(history) == ["line 8", "line 9", "line 10"]
    assert [line.text for line in history.lines.search("line", 50)] == texts(history)
    history.apply([OutgoingAdded(BOB.id, 11, 0, "line 11")])
    assert history.lines.latest(1)[0].id == 11  # an id is given once


def test_numbers_go_on_though_all_lines_to_somebody_went() -> None:
    history = in_memory()
    history.apply(
        [OutgoingAdded(BOB.id, 7, 0, "old"), OutgoingChanged(BOB.id, 7, MessageState.REFUSED)]
    )
    history.apply(
        [OutgoingAdded(CAROL.id, 1, 0, "new"), OutgoingChanged(CAROL.id, 1, MessageState.DELIVERED)]
    )
    drop(history, keep=1)
    assert texts(history) == ["new"]
    assert history.load().streams[BOB.id].last_sent == 7


def test_what_never_got_a_number_leaves_none_behind() -> None:
    """Clause 6.10."""
    history = in_memory()
    for number in (7, PROVISIONAL):
        history.apply(
            [
                OutgoingAdded(BOB.id, number, 0, ""),
                OutgoingChanged(BOB.id, number, MessageState.REFUSED),
            ]
        )
    history.apply(
        [OutgoingAdded(CAROL.id, 1, 0, "new"), OutgoingChanged(CAROL.id, 1, MessageState.DELIVERED)]
    )
    drop(history, keep=1)
    assert texts(history) == ["new"]
    assert history.load().streams[BOB.id].last_sent == 7


def test_what_is_unsettled_or_unshown_stays_and_the_numbers_of_what_may_come_again() -> None:
    history = in_memory()
    history.apply([OutgoingAdded(BOB.id, number, 0, f"ours {number}") for number in (1, 2, 3, 4)])
    history.apply(
        [
            OutgoingChanged(BOB.id, 1, MessageState.SAVED),
            OutgoingChanged(BOB.id, 2, MessageState.EXPIRED),
        ]
    )
    history.apply([OutgoingChanged(BOB.id, 3, MessageState.KEPT)])
    history.apply(
        [
            IncomingAdded(BOB.id, n, 0, f"theirs {n}", False, behind=n == 2)
            for n in (1, 2, 3, 4, 5, 6)
        ]
    )
    history.apply([Shown(BOB.id, 5), FloorRaised(BOB.id, 4)])
    before = history.load().streams[BOB.id]
    drop(history, keep=0)
    assert texts(history) == ["ours 1", "ours 3", "ours 4", "theirs 2", "theirs 6"]
    after = history.load().streams[BOB.id]
    assert (before.seen, after.seen, after.gone) == ((4, 5, 6), (6,), ((4, 6),))
    assert msgspec.structs.replace(after, seen=before.seen, gone=()) == before
    inbox = make_inbox(after, POLICY)
    assert [inbox.admit(number) for number in (3, 4, 5, 6, 7)] == [REPEAT] * 4 + [NEW]
    history.apply([FloorRaised(BOB.id, 6)])
    history.maintenance.finish()
    assert history.load().streams[BOB.id].gone == ()


def test_numbers_in_holes_are_kept_too() -> None:
    """A late line may come a second time."""
    history = in_memory()
    history.apply([IncomingAdded(BOB.id, n, 0, "", False) for n in (1, 5, 9, 10)])
    history.apply([Shown(BOB.id, 9), FloorRaised(BOB.id, 9, ((2, 5), (5, 9)))])
    drop(history, keep=1)
    history.maintenance.finish()
    after = history.load().streams[BOB.id]
    assert (after.seen, set(after.gone)) == ((10,), {(5, 6), (9, 10)})
    inbox = make_inbox(after, POLICY)
    assert [inbox.admit(number) for number in (1, 4, 5, 6, 9)] == [REPEAT, NEW, REPEAT, NEW, REPEAT]
    history.apply([IncomingAdded(BOB.id, 11, 0, "", False), FloorRaised(BOB.id, 10, ((6, 9),))])
    history.maintenance.finish()
    assert history.load().streams[BOB.id].gone == ()


def test_a_file_that_is_too_large_loses_its_oldest_lines_bit_by_bit() -> None:
    history = in_memory()
    for number in range(1, 201):
        history.apply([OutgoingAdded(BOB.id, number, 0, "x" * 4_000)])
        history.apply([OutgoingChanged(BOB.id, number, MessageState.DELIVERED)])
    drop(history, keep=1_000, bytes_kept=600_000)
    kept = history.lines.latest(1_000)
    assert 100 < len(kept) < 150
    assert kept[-1].number == 200


def heard(history: History, stream: bytes, count: int, text: str) -> None:
    """Somebody has sent so many lines, which were shown; the floor is never raised."""
    before = history.maintenance.newest()
    numbers = range(before + 1, before + 1 + count)
    history.apply([IncomingAdded(stream, n, 0, f"{text} {n}", False) for n in numbers])
    history.apply([Shown(stream, numbers[-1])])


def counts(history: History) -> dict[str, int]:
    first_words = [text.split()[0] for text in texts(history)]
    return {word: first_words.count(word) for word in dict.fromkeys(first_words)}


HONEST: Final = {"ours": 10, "bob": 10, "carol": 10, "channel": 10, "room": 10}


class TestWhoeverFloodsAHistoryPaysForIt:
    """The largest conversation loses lines first."""

    @pytest.fixture
    def history(self) -> History:
        """The user has talked with bob, has lines of carol, the channel and a room, and is then
        flooded."""
        history = in_memory()
        for number in range(1, 11):
            history.apply([OutgoingAdded(BOB.id, number, 0, "ours")])
            history.apply([OutgoingChanged(BOB.id, number, MessageState.DELIVERED)])
        heard(history, BOB.id, 10, "bob")
        heard(history, CAROL.id, 10, "carol")
        heard(history, group_mark(CHANNEL) + BOB.id, 10, "channel")
        heard(history, group_mark("#tea") + CAROL.id, 10, "room")
        return history

    def test_one_who_writes_without_end_loses_their_own_lines(self, history: History) -> None:
        heard(history, Someone("eve").id, 500, "eve")
        drop(history, keep=100)
        assert counts(history) == {**HONEST, "eve": 50}
        assert texts(history)[-1] == "eve 550", "the oldest of them went"

    def test_many_identities_count_as_one(self, history: History) -> None:
        for number in range(100):
            heard(history, Someone(f"eve{number}").id, 12, "eve")
        drop(history, keep=1_100)
        assert counts(history) == {**HONEST, "eve": 1_050}, (
            "carol, to whom the user has not written, is one of them"
        )

    def test_a_flood_of_the_channel_costs_who_floods_it(self, history: History) -> None:
        for number in range(20):
            heard(history, group_mark(CHANNEL) + Someone(f"eve{number}").id, 25, "eve")
        drop(history, keep=270)
        assert counts(history) == {**HONEST, "eve": 220}

    def test_a_conversation_of_two_loses_its_oldest_lines_on_both_sides(
        self, history: History
    ) -> None:
        for number in range(100, 130):
            heard(history, BOB.id, 1, "more")
            history.apply([OutgoingAdded(BOB.id, number, 0, "own")])
            history.apply([OutgoingChanged(BOB.id, number, MessageState.DELIVERED)])
        drop(history, keep=60)
        assert counts(history) == {"carol": 10, "channel": 10, "room": 10, "more": 15, "own": 15}

    def test_by_bytes_too(self, history: History) -> None:
        heard(history, Someone("eve").id, 100, "x" * 10_000)
        drop(history, keep=1_000, bytes_kept=500_000)
        kept = counts(history)
        assert {word: count for word, count in kept.items() if word in HONEST} == HONEST
        assert 10 < sum(kept.values()) - 50 < 50

    def test_what_comes_after_the_first_round_is_counted_too(self, history: History) -> None:
        eve = Someone("eve").id
        for round_ in range(5):
            heard(history, eve, 2_000, f"eve{round_}")
            drop(history, keep=100)
            assert sum(counts(history).values()) == 100
        assert counts(history) == {**HONEST, "eve4": 50}
        ((start, end),) = history.load().streams[eve].gone
        assert end - start > 1_000


def test_a_start_looks_at_what_is_not_settled_only_and_finds_it_all() -> None:
    history = in_memory()
    history.apply([OutgoingAdded(BOB.id, number, 0, "") for number in (1, 2, 3)])
    history.apply(
        [
            OutgoingChanged(BOB.id, 1, MessageState.DELIVERED),
            OutgoingChanged(BOB.id, 3, MessageState.DELIVERED),
        ]
    )
    before = history.load()
    history.maintenance.finish()
    assert history.load() == before
    assert history._db.execute("SELECT settled FROM streams").fetchone() == (2,)
    history.apply([OutgoingChanged(BOB.id, 2, MessageState.DELIVERED)])
    history.maintenance.finish()
    history.apply([OutgoingAdded(BOB.id, 4, 0, "new")])
    assert [one.number for one in history.load().streams[BOB.id].outgoing] == [4]
