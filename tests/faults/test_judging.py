"""The verdict of the soak finds lost, duplicated and late messages, and anything that grows."""

import random

import pytest

from tests.faults.judging import Findings, judge, trend
from tests.faults.ledger import Entry, Ledger, What, read

STEADY = {"tea": ["ann", "bob", "cid"]}


def said(*entries: tuple[float, What, str, str], kills: dict[str, list[float]] | None = None) -> Findings:
    return judge((Entry(*entry) for entry in entries), steady=STEADY, kills=kills or {})


def shown(at: float, who: str, text: str) -> tuple[float, What, str, str]:
    return at, What.SHOWN, who, text


def promised(text: str) -> tuple[float, What, str, str]:
    return 9.0, What.PROMISED, text.split()[0], text


def test_messages_shown_once_and_in_order_are_accepted() -> None:
    found = said(
        promised("ann bob 1"),
        promised("ann bob 2"),
        promised("ann #tea 3"),
        shown(1.0, "bob", "ann bob 1"),
        shown(2.0, "bob", "ann #tea 3"),
        shown(2.0, "cid", "ann #tea 3"),
        shown(3.0, "bob", "ann bob 2"),
        (4.0, What.FATE, "ann", "message delivered"),
    )
    assert found.is_well
    assert (found.promised, found.shown, found.fates["message delivered"]) == (3, 4, 1)


def test_a_promised_message_that_nobody_saw_is_lost() -> None:
    assert said(promised("ann bob 1")).lost == ["bob: ann bob 1"]


def test_a_line_of_a_room_is_lost_for_each_member_who_stayed_and_did_not_see_it() -> None:
    assert said(promised("ann #tea 3"), shown(1.0, "cid", "ann #tea 3")).lost == ["bob: ann #tea 3"]


def test_a_member_who_comes_and_goes_may_miss_a_line_but_not_see_it_twice() -> None:
    found = said(shown(1.0, "eve", "ann #tea 3"), shown(2.0, "eve", "ann #tea 3"))
    assert found.doubled == ["eve: ann #tea 3"]


@pytest.mark.parametrize(("kill", "again", "doubled"), [(2.0, 1, 0), (3.5, 0, 1), (0.5, 0, 1)])
def test_a_message_shown_right_before_a_kill_may_be_shown_again(
    kill: float, again: int, doubled: int
) -> None:
    found = said(shown(1.0, "bob", "ann bob 1"), shown(9.0, "bob", "ann bob 1"), kills={"bob": [kill]})
    assert (found.again, len(found.doubled)) == (again, doubled)


def test_a_later_one_first_is_out_of_order_and_another_author_is_not() -> None:
    found = said(
        shown(1.0, "bob", "ann bob 2"),
        shown(2.0, "bob", "cid bob 1"),
        shown(3.0, "bob", "ann #tea 1"),
        shown(4.0, "bob", "ann bob 1"),
    )
    assert found.late == ["bob: ann bob 1"]


def test_a_later_one_need_not_wait_for_ever() -> None:
    """Numbers are times in microseconds: 20 s after it was written it had waited long enough."""
    for shown_at, overtaken in ((20.0, 1), (10.0, 0)):
        found = said(shown(shown_at, "bob", "ann bob 2000000"), shown(30.0, "bob", "ann bob 1000000"))
        assert (found.overtaken, len(found.late)) == (overtaken, 1 - overtaken)


def test_impossible_entries_are_reported() -> None:
    assert said((1.0, What.BROKEN, "bob", "is refused")).broken == ["bob: is refused"]


def test_a_ledger_reads_as_it_was_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("soak") / "ledgers" / "crew"
    for number in range(2):  # a second life goes on with it
        ledger = Ledger(path)
        ledger.note(What.SHOWN, "bob", f"ann bob {number}")
        ledger.close()
    assert [(entry.what, entry.who, entry.text) for entry in read(path)] == [
        (What.SHOWN, "bob", "ann bob 0"),
        (What.SHOWN, "bob", "ann bob 1"),
    ]


def series(slope: float, *, noise: float = 0.0, dips: int = 0) -> list[tuple[float, float]]:
    chance = random.Random(1)
    points = [(float(at), 100.0 + slope * at + chance.uniform(-noise, noise)) for at in range(120)]
    return [(at, 20.0) if place % 10 < dips else (at, figure) for place, (at, figure) in enumerate(points)]


def test_a_constant_figure_is_flat_whatever_happens_for_a_moment() -> None:
    for points in (series(0.0), series(0.0, noise=5.0), series(0.0, dips=3), series(-0.5)):
        assert trend("memory", points, noise=1.0).is_flat


def test_a_figure_that_grows_all_the_time_is_not_flat() -> None:
    for points in (series(0.1), series(0.1, noise=2.0), series(0.1, dips=2)):
        grown = trend("memory", points, noise=1.0)
        assert not grown.is_flat
        assert grown.end - grown.begin == pytest.approx(8.0, rel=0.15)


def test_a_figure_that_grows_in_the_first_third_only_is_flat() -> None:
    points = [(float(at), min(100.0 + 5 * at, 250.0)) for at in range(120)]
    assert trend("memory", points, noise=1.0).is_flat
