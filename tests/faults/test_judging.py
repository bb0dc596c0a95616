"""The verdict of the soak finds lost, duplicated and late messages, and anything that grows."""

import ctypes
import gc
import random
import subprocess
import sys

import pytest

from tests.faults.judging import Findings, compared, judge, trend
from tests.faults.ledger import Entry, Ledger, What, read
from tests.faults.machine import MIB, allocated
from tests.faults.soak import is_pause

STEADY = {"tea": ["ann", "bob", "cid"]}


def said(
    *entries: tuple[float, What, str, str], kills: dict[str, list[float]] | None = None
) -> Findings:
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
    found = said(
        shown(1.0, "bob", "ann bob 1"), shown(9.0, "bob", "ann bob 1"), kills={"bob": [kill]}
    )
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
        found = said(
            shown(shown_at, "bob", "ann bob 2000000"), shown(30.0, "bob", "ann bob 1000000")
        )
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
    return [
        (at, 20.0) if place % 10 < dips else (at, figure)
        for place, (at, figure) in enumerate(points)
    ]


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


def memory(leak: float) -> list[tuple[float, float]]:
    """Return readings of 20 minutes in MiB: 30 at rest, up to 10 more under faults, and what leaks
    in a second."""
    chance = random.Random(1)
    return [
        (
            float(at),
            30.0
            + leak * at
            + (0.0 if 570 <= at <= 600 or at >= 1_170 else chance.uniform(0.0, 10.0)),
        )
        for at in range(0, 1_201, 10)
    ]


def test_memory_at_the_ends_of_two_pauses_is_compared_whatever_faults_took_before() -> None:
    told = compared("memory", memory(0.0), (600.0, 1_200.0), span=30.0, noise=0.5)
    assert told.is_flat
    assert told.end == told.begin == 30.0


def test_what_leaks_between_two_pauses_is_found() -> None:
    leaked = compared("memory", memory(0.0025), (600.0, 1_200.0), span=30.0, noise=0.5)
    assert not leaked.is_flat
    assert leaked.end - leaked.begin == pytest.approx(1.5)


def test_a_run_that_is_judged_pauses_before_its_half_and_its_end() -> None:
    paused = [at for at in range(1_200) if is_pause(at, minutes=20.0)]
    assert (paused[0], paused[-1], len(paused)) == (360, 1_199, 480)
    assert 600 not in paused
    assert not any(is_pause(at, minutes=9.0) for at in range(540))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_what_is_allocated_counts_until_it_is_freed() -> None:
    before = allocated()
    block = bytearray(8 * MIB)
    assert allocated() - before >= len(block)
    del block
    assert allocated() - before < MIB


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_to_ask_what_is_allocated_leaves_no_garbage() -> None:
    allocated()
    gc.collect()
    for _ in range(3):
        allocated()
    assert gc.collect() == 0


def test_the_registry_of_a_soak_has_low_limits() -> None:
    asked = """
from tests.faults.registry import LOW, lower_limits
lower_limits()
from chatapp.registry.rules.desk.talk import past
from chatapp.registry.rules.rooms import room
from chatapp.registry.store import state
assert room.ROOM_LINES_MAX == LOW["ROOM_LINES_MAX"]
assert past.DESK_SESSIONS_MAX == state.DESK_SESSIONS_MAX == LOW["DESK_SESSIONS_MAX"]
assert state.DESK_UNTOLD_MAX == LOW["DESK_UNTOLD_MAX"]
"""
    subprocess.run([sys.executable, "-c", asked], check=True)
