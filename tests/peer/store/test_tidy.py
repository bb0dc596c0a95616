"""This file is about letting go of the oldest lines: beyond the limit, a few at a time, and none that still matters."""

from peer.core.records import FloorRaised, IncomingAdded, OutgoingAdded, OutgoingChanged, Shown
from peer.core.standing import Standing
from peer.history import History
from tests.peer.core.cast import Someone

BOB, CAROL = Someone("bob"), Someone("carol")


def drop(history: History, *, keep: int, bytes_kept: int = 2**40) -> None:
    while history.tidy.drop_oldest(lines_kept=keep, bytes_kept=bytes_kept, most=2):
        pass


def texts(history: History) -> list[str]:
    return [line.text for line in history.lines.all()]


def test_the_newest_stay_and_what_went_is_not_found() -> None:
    history = History(":memory:", server="here")
    for number in range(1, 11):
        history.apply([OutgoingAdded(BOB.id, number, 0, f"line {number}")])
        history.apply([OutgoingChanged(BOB.id, number, Standing.DELIVERED)])
    assert len(history.lines.search("line", 50)) == 10
    drop(history, keep=3)
    assert texts(history) == ["line 8", "line 9", "line 10"]
    assert [line.text for line in history.lines.search("line", 50)] == texts(history)
    history.apply([OutgoingAdded(BOB.id, 11, 0, "line 11")])
    assert history.lines.latest(1)[0].id == 11  # an id is given once


def test_numbers_go_on_though_all_lines_to_somebody_went() -> None:
    history = History(":memory:", server="here")
    history.apply([OutgoingAdded(BOB.id, 7, 0, "old"), OutgoingChanged(BOB.id, 7, Standing.REFUSED)])
    history.apply([OutgoingAdded(CAROL.id, 1, 0, "new"), OutgoingChanged(CAROL.id, 1, Standing.DELIVERED)])
    drop(history, keep=1)
    assert texts(history) == ["new"]
    assert history.load().streams[BOB.id].last_sent == 7


def test_what_is_unsettled_unshown_or_may_come_again_stays() -> None:
    history = History(":memory:", server="here")
    history.apply([OutgoingAdded(BOB.id, number, 0, f"ours {number}") for number in (1, 2, 3, 4)])
    history.apply([OutgoingChanged(BOB.id, 1, Standing.SAVED), OutgoingChanged(BOB.id, 2, Standing.EXPIRED)])
    history.apply([OutgoingChanged(BOB.id, 3, Standing.KEPT)])
    history.apply([IncomingAdded(BOB.id, n, 0, f"theirs {n}", False, behind=n == 2) for n in (1, 2, 3, 4, 5)])
    history.apply([Shown(BOB.id, 4), FloorRaised(BOB.id, 4)])
    before = history.load()
    drop(history, keep=0)
    assert texts(history) == ["ours 1", "ours 3", "ours 4", "theirs 2", "theirs 4", "theirs 5"]
    assert history.load() == before


def test_a_file_that_is_too_large_loses_its_oldest_lines_bit_by_bit() -> None:
    history = History(":memory:", server="here")
    for number in range(1, 201):
        history.apply([OutgoingAdded(BOB.id, number, 0, "x" * 4_000)])
        history.apply([OutgoingChanged(BOB.id, number, Standing.DELIVERED)])
    drop(history, keep=1_000, bytes_kept=600_000)
    kept = history.lines.latest(1_000)
    assert 100 < len(kept) < 150
    assert kept[-1].number == 200


def test_a_start_looks_at_what_is_not_settled_only_and_finds_it_all() -> None:
    history = History(":memory:", server="here")
    history.apply([OutgoingAdded(BOB.id, number, 0, "") for number in (1, 2, 3)])
    history.apply(
        [OutgoingChanged(BOB.id, 1, Standing.DELIVERED), OutgoingChanged(BOB.id, 3, Standing.DELIVERED)]
    )
    before = history.load()
    history.tidy.finish()
    assert history.load() == before
    assert history._db.execute("SELECT settled FROM streams").fetchone() == (2,)
    history.apply([OutgoingChanged(BOB.id, 2, Standing.DELIVERED)])
    history.tidy.finish()
    history.apply([OutgoingAdded(BOB.id, 4, 0, "new")])
    assert [one.number for one in history.load().streams[BOB.id].outgoing] == [4]
