"""Congestion control: what counts as lost, the width of the window, and probes after a silence."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.congestion import CongestionControl
from chatapp.wire.delivery.parts import Piece
from chatapp.wire.delivery.policy import Policy


def make_congestion(policy: Policy | None = None) -> CongestionControl:
    return CongestionControl(policy or Policy(), random.Random(1))


def depart(congestion: CongestionControl, count: int, *, now: float) -> list[Piece]:
    """Return so many datagrams of one part each."""
    pieces = [Piece(number, 0, b"part", is_queued=False) for number in range(count)]
    for piece in pieces:
        congestion.on_sent([[piece]], now)
    return pieces


def test_three_later_datagrams_make_a_loss() -> None:
    congestion = make_congestion()
    pieces = depart(congestion, 5, now=0.0)
    congestion.on_acked([pieces[2]], 0.1)
    assert congestion.take_lost() == []
    congestion.on_acked([pieces[3]], 0.1)
    assert congestion.take_lost() == [pieces[0]]
    congestion.on_acked([pieces[4]], 0.1)
    assert congestion.take_lost() == [pieces[1]]
    assert congestion.count == 0


def test_all_parts_of_a_lost_datagram_are_lost() -> None:
    congestion = make_congestion()
    together = [Piece(number, 0, b"part") for number in (7, 8)]
    congestion.on_sent([together], 0.0)
    later = depart(congestion, 3, now=0.0)
    congestion.on_acked([later[2]], 0.1)
    assert congestion.take_lost() == together


def test_a_path_at_rest_keeps_no_datagrams() -> None:
    """An idle conversation must use little memory: a peer may have thousands of them."""
    congestion = make_congestion()
    for _ in range(3):
        pieces = depart(congestion, 2, now=0.0)
        congestion.on_acked(pieces[1:], 0.1)
        assert congestion.take_lost() == []
        assert len(congestion._records) == 2
        congestion.on_acked(pieces[:1], 0.1)
        assert congestion.take_lost() == []
        assert not congestion._records


def test_a_part_sent_again_is_judged_by_its_last_datagram() -> None:
    congestion = make_congestion()
    pieces = depart(congestion, 2, now=0.0)
    congestion.on_sent([[pieces[0]]], 0.0)
    assert congestion.count == 2
    later = depart(congestion, 2, now=0.0)
    congestion.on_acked([later[1]], 0.1)
    assert congestion.take_lost() == [pieces[1]]


def test_an_answer_faster_than_any_round_trip_is_to_an_earlier_copy() -> None:
    congestion = make_congestion()
    first = depart(congestion, 1, now=0.0)
    congestion.on_acked(first, 0.1)
    pieces = depart(congestion, 5, now=1.0)
    congestion.on_sent([[pieces[0]]], 1.09)
    congestion.on_acked([pieces[0]], 1.1)
    assert congestion.take_lost() == []
    again = depart(congestion, 1, now=1.2)
    congestion.on_sent([again], 1.3)
    congestion.on_acked(again, 1.45)
    assert congestion.take_lost() == pieces[1:]


def test_losses_halve_the_window_when_they_are_many_and_once_a_flight() -> None:
    policy = Policy(window=64, loss_tolerated=0.25, loss_memory=4)
    congestion = make_congestion(policy)
    for now in (0.0, 1.0):
        pieces = depart(congestion, 12, now=now)
        congestion.on_acked([pieces[5]], now)
        congestion.take_lost()
        congestion.on_acked([pieces[11]], now)
        congestion.take_lost()
    assert congestion.window == 16


def lossy_rounds(congestion: CongestionControl, *, answered_after: float) -> None:
    """First two quick round trips, then rounds that lose every third datagram."""
    for now in (0.0, 1.0):
        congestion.on_acked(depart(congestion, 1, now=now), now + 0.020)
    for number in range(60):
        now = 2.0 + number
        pieces = depart(congestion, 12, now=now)
        congestion.on_acked(
            [piece for at, piece in enumerate(pieces) if at % 3], now + answered_after
        )
        congestion.take_lost()


def test_a_third_lost_at_random_leaves_the_window_alone_while_answers_are_quick() -> None:
    congestion = make_congestion()
    lossy_rounds(congestion, answered_after=0.030)
    assert congestion.window >= 64


def test_a_third_lost_narrows_the_window_when_every_answer_is_slow() -> None:
    congestion = make_congestion()
    lossy_rounds(congestion, answered_after=0.080)
    assert congestion.window == 8


def test_a_few_datagrams_may_be_on_the_way_through_the_narrowest_window() -> None:
    """Ten small parts share a datagram: counted in parts alone, one datagram would fill the
    window."""
    congestion = make_congestion()
    for now in range(10):
        congestion.on_timeout(depart(congestion, 1, now=float(now))[0], now + 0.5)
    assert congestion.window == 8
    congestion.drop_finished()
    datagrams = 0
    while congestion.space()[0] > 0:
        congestion.on_sent(
            [[Piece(datagrams, at, b"part") for at in range(min(5, congestion.space()[0]))]], 20.0
        )
        datagrams += 1
    assert datagrams == 8
    assert congestion.count == 40


def test_single_losses_leave_the_window_alone() -> None:
    congestion = make_congestion()
    for now in range(100):
        pieces = depart(congestion, 12, now=float(now))
        congestion.on_acked(pieces[1:], float(now))
        assert congestion.take_lost() == pieces[:1]
    assert congestion.window >= 64


@given(st.integers(1, 400))
def test_silence_halves_the_window_down_to_its_floor(rounds: int) -> None:
    congestion = make_congestion()
    for now in range(rounds):
        pieces = depart(congestion, 1, now=float(now))
        congestion.on_timeout(pieces[0], now + 0.5)
    assert congestion.window == max(8, 64 >> min(rounds, 10))
    assert congestion.count == 0


def test_a_slow_answer_among_others_does_not_count_as_silence() -> None:
    congestion = make_congestion()
    slow, quick = depart(congestion, 2, now=0.0)
    congestion.on_acked([quick], 0.4)
    congestion.on_timeout(slow, 0.5)
    assert congestion.window == 64


def test_the_window_grows_by_one_a_window_up_to_its_limit() -> None:
    congestion = make_congestion(Policy(window=4, window_limit=6))
    widths = []
    for _ in range(24):
        congestion.on_acked(depart(congestion, 1, now=0.0), 0.1)
        widths.append(congestion.window)
    assert [widths.index(width) + 1 for width in (5, 6)] == [4, 9]
    assert widths[-1] == 6


def test_the_window_doubles_in_each_round_trip_up_to_its_limit() -> None:
    congestion = make_congestion(Policy(window=8, window_limit=200))
    widths = []
    for now in range(5):
        congestion.on_acked(depart(congestion, congestion.space()[0], now=float(now)), now + 0.1)
        congestion.take_lost()
        widths.append(congestion.window)
    assert widths == [16, 32, 64, 128, 200]


def test_a_loss_ends_the_doubling() -> None:
    congestion = make_congestion(Policy(window=8, window_limit=200))
    pieces = depart(congestion, 8, now=0.0)
    congestion.on_acked(pieces[4:], 0.1)
    congestion.take_lost()
    assert congestion.window == 12
    congestion.on_acked(depart(congestion, congestion.space()[0], now=1.0), 1.1)
    assert congestion.window == 13


def test_the_window_stops_doubling_when_datagrams_wait_in_queues() -> None:
    congestion = make_congestion(Policy(window=8, window_limit=200, loss_memory=2))
    widths = []
    for now, took in enumerate((0.010, 0.025, 0.040, 0.040)):
        congestion.on_acked(depart(congestion, congestion.space()[0], now=float(now)), now + took)
        widths.append(congestion.window)
    assert widths == [16, 32, 64, 65]


def test_a_window_that_is_hardly_used_grows_by_one() -> None:
    congestion = make_congestion(Policy(window=64))
    congestion.on_acked(depart(congestion, 31, now=0.0), 0.1)
    assert congestion.window == 64


def test_a_probe_follows_silence_and_doubles_its_patience() -> None:
    congestion = make_congestion()
    assert congestion.next_probe() is None
    congestion.on_acked(depart(congestion, 1, now=0.0), 0.005)
    assert congestion.next_probe() is None
    pieces = depart(congestion, 1, now=1.0)
    waits = []
    now = 1.0
    while (at := congestion.next_probe()) is not None:
        waits.append(at - now)
        now = at
        assert congestion.probe(1_000, now) == pieces
    assert len(waits) == 4
    assert waits[0] == pytest.approx(0.020)
    for wait, expected in zip(waits[1:], (0.04, 0.08, 0.16), strict=True):
        assert expected <= wait <= expected * 1.25
    congestion.on_acked(pieces, now)
    depart(congestion, 1, now=now)
    assert congestion.next_probe() is not None


def test_a_probe_is_one_datagram_of_the_oldest_parts() -> None:
    congestion = make_congestion()
    congestion.on_acked(depart(congestion, 1, now=0.0), 0.005)
    pieces = depart(congestion, 5, now=1.0)
    pieces[1].is_queued = True
    pieces[2].extra = 4
    assert congestion.probe(2 * len(b"part"), 2.0) == [pieces[0], pieces[3]]


def test_no_probe_on_a_path_so_slow_that_the_timed_try_comes_first() -> None:
    congestion = make_congestion()
    congestion.on_acked(depart(congestion, 1, now=0.0), 0.3)
    depart(congestion, 1, now=1.0)
    assert congestion.next_probe() is None


def test_a_path_that_became_slower_is_found_out_though_every_part_is_sent_twice() -> None:
    congestion = make_congestion()
    congestion.on_acked(depart(congestion, 1, now=0.0), 0.002)
    for now in range(1, 80):
        pieces = depart(congestion, 1, now=float(now))
        congestion.on_sent([pieces], now + 0.01)
        congestion.on_acked(pieces, now + 0.2)
    depart(congestion, 1, now=100.0)
    probe_at = congestion.next_probe()
    assert probe_at is None or probe_at > 100.2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("depart", "again", "land", "time out", "forget")), st.integers(0, 9)
        ),
        max_size=80,
    )
)
def test_the_count_is_what_is_on_the_way(actions: list[tuple[str, int]]) -> None:
    congestion = make_congestion()
    pieces = [Piece(number, 0, b"part") for number in range(10)]
    for now, (action, at) in enumerate(actions):
        piece = pieces[at]
        match action:
            case "depart" | "again":
                congestion.on_sent([[piece]], float(now))
            case "land":
                congestion.on_acked([piece], float(now))
                assert all(not other.datagram for other in congestion.take_lost())
            case "time out":
                congestion.on_timeout(piece, float(now))
            case _:
                congestion.forget(piece)
        congestion.drop_finished()
        on_the_way = {other.datagram for other in pieces if other.datagram}
        assert congestion.count == sum(1 for other in pieces if other.datagram)
        oldest = congestion._oldest
        assert on_the_way <= set(range(oldest, oldest + len(congestion._records)))
        assert not congestion._records or oldest in on_the_way


def test_a_restart_forgets_the_path() -> None:
    congestion = make_congestion()
    congestion.on_acked(depart(congestion, 1, now=0.0), 0.005)
    for now in range(3):
        congestion.on_timeout(depart(congestion, 1, now=now + 1.0)[0], now + 1.5)
    depart(congestion, 3, now=5.0)
    congestion.restart()
    assert (
        congestion.window,
        congestion.count,
        congestion.next_probe(),
        congestion.space()[0],
    ) == (
        64,
        0,
        None,
        64,
    )
