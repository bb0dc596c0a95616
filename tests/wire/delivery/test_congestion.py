"""What counts as lost, how wide the window is, and when silence is broken."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.congestion import CongestionControl
from chatapp.wire.delivery.parts import Piece
from chatapp.wire.delivery.policy import Policy


def make_congestion(policy: Policy | None = None) -> CongestionControl:
    return CongestionControl(policy or Policy(), random.Random(1))


def depart(flight: CongestionControl, count: int, *, now: float) -> list[Piece]:
    """So many datagrams of one part each."""
    pieces = [Piece(number, 0, b"part", is_queued=False) for number in range(count)]
    for piece in pieces:
        flight.depart([piece], now)
    return pieces


def test_three_later_datagrams_make_a_loss() -> None:
    flight = make_congestion()
    pieces = depart(flight, 5, now=0.0)
    flight.land([pieces[2]], 0.1)
    assert flight.lost() == []
    flight.land([pieces[3]], 0.1)
    assert flight.lost() == [pieces[0]]
    flight.land([pieces[4]], 0.1)
    assert flight.lost() == [pieces[1]]
    assert flight.count == 0


def test_all_parts_of_a_lost_datagram_are_lost() -> None:
    flight = make_congestion()
    together = [Piece(number, 0, b"part") for number in (7, 8)]
    flight.depart(together, 0.0)
    later = depart(flight, 3, now=0.0)
    flight.land([later[2]], 0.1)
    assert flight.lost() == together


def test_a_path_at_rest_keeps_no_datagrams() -> None:
    """Each holds the bytes of its parts: a peer may have thousands of conversations that say nothing now."""
    flight = make_congestion()
    for _ in range(3):
        pieces = depart(flight, 2, now=0.0)
        flight.land(pieces[1:], 0.1)
        assert flight.lost() == []
        assert len(flight._records) == 2
        flight.land(pieces[:1], 0.1)
        assert flight.lost() == []
        assert not flight._records


def test_a_part_sent_again_is_judged_by_its_last_datagram() -> None:
    flight = make_congestion()
    pieces = depart(flight, 2, now=0.0)
    flight.depart([pieces[0]], 0.0)
    assert flight.count == 2
    later = depart(flight, 2, now=0.0)
    flight.land([later[1]], 0.1)
    assert flight.lost() == [pieces[1]]


def test_an_answer_faster_than_any_round_trip_is_to_an_earlier_copy() -> None:
    flight = make_congestion()
    first = depart(flight, 1, now=0.0)
    flight.land(first, 0.1)
    pieces = depart(flight, 5, now=1.0)
    flight.depart([pieces[0]], 1.09)
    flight.land([pieces[0]], 1.1)
    assert flight.lost() == []
    again = depart(flight, 1, now=1.2)
    flight.depart(again, 1.3)
    flight.land(again, 1.45)
    assert flight.lost() == pieces[1:]


def test_losses_halve_the_window_when_they_are_many_and_once_a_flight() -> None:
    policy = Policy(window=64, loss_tolerated=0.25, loss_memory=4)
    flight = make_congestion(policy)
    for now in (0.0, 1.0):
        pieces = depart(flight, 12, now=now)
        flight.land([pieces[5]], now)
        flight.lost()
        flight.land([pieces[11]], now)
        flight.lost()
    assert flight.window == 16


def lossy_rounds(flight: CongestionControl, *, answered_after: float) -> None:
    """First two quick round trips, then rounds of which every third datagram is lost."""
    for now in (0.0, 1.0):
        flight.land(depart(flight, 1, now=now), now + 0.020)
    for number in range(60):
        now = 2.0 + number
        pieces = depart(flight, 12, now=now)
        flight.land([piece for at, piece in enumerate(pieces) if at % 3], now + answered_after)
        flight.lost()


def test_a_third_lost_at_random_leaves_the_window_alone_while_answers_are_quick() -> None:
    flight = make_congestion()
    lossy_rounds(flight, answered_after=0.030)
    assert flight.window >= 64


def test_a_third_lost_narrows_the_window_when_every_answer_is_slow() -> None:
    flight = make_congestion()
    lossy_rounds(flight, answered_after=0.080)
    assert flight.window == 8


def test_a_few_datagrams_may_be_on_the_way_through_the_narrowest_window() -> None:
    """Ten small parts share a datagram: counted in parts alone, one datagram would fill the window."""
    flight = make_congestion()
    for now in range(10):
        flight.time_out(depart(flight, 1, now=float(now))[0], now + 0.5)
    assert flight.window == 8
    flight.tidy()
    datagrams = 0
    while flight.space > 0:
        flight.depart([Piece(datagrams, at, b"part") for at in range(min(5, flight.space))], 20.0)
        datagrams += 1
    assert datagrams == 8
    assert flight.count == 40


def test_single_losses_leave_the_window_alone() -> None:
    flight = make_congestion()
    for now in range(100):
        pieces = depart(flight, 12, now=float(now))
        flight.land(pieces[1:], float(now))
        assert flight.lost() == pieces[:1]
    assert flight.window >= 64


@given(st.integers(1, 400))
def test_silence_halves_the_window_down_to_its_floor(rounds: int) -> None:
    flight = make_congestion()
    for now in range(rounds):
        pieces = depart(flight, 1, now=float(now))
        flight.time_out(pieces[0], now + 0.5)
    assert flight.window == max(8, 64 >> min(rounds, 10))
    assert flight.count == 0


def test_a_slow_answer_among_others_is_no_silence() -> None:
    flight = make_congestion()
    slow, quick = depart(flight, 2, now=0.0)
    flight.land([quick], 0.4)
    flight.time_out(slow, 0.5)
    assert flight.window == 64


def test_the_window_grows_by_one_a_window_up_to_its_limit() -> None:
    flight = make_congestion(Policy(window=4, window_limit=6))
    widths = []
    for _ in range(24):
        flight.land(depart(flight, 1, now=0.0), 0.1)
        widths.append(flight.window)
    assert [widths.index(width) + 1 for width in (5, 6)] == [4, 9]
    assert widths[-1] == 6


def test_a_probe_follows_silence_and_doubles_its_patience() -> None:
    flight = make_congestion()
    assert flight.next_probe() is None
    flight.land(depart(flight, 1, now=0.0), 0.005)
    assert flight.next_probe() is None
    pieces = depart(flight, 1, now=1.0)
    waits = []
    now = 1.0
    while (at := flight.next_probe()) is not None:
        waits.append(at - now)
        now = at
        assert flight.probe(1_000, now) == pieces
    assert len(waits) == 4
    assert waits[0] == pytest.approx(0.020)
    for wait, expected in zip(waits[1:], (0.04, 0.08, 0.16), strict=True):
        assert expected <= wait <= expected * 1.25
    flight.land(pieces, now)
    depart(flight, 1, now=now)
    assert flight.next_probe() is not None


def test_a_probe_is_one_datagram_of_the_oldest_parts() -> None:
    flight = make_congestion()
    flight.land(depart(flight, 1, now=0.0), 0.005)
    pieces = depart(flight, 5, now=1.0)
    pieces[1].is_queued = True
    pieces[2].extra = 4
    assert flight.probe(2 * len(b"part"), 2.0) == [pieces[0], pieces[3]]


def test_no_probe_on_a_path_so_slow_that_the_timed_try_comes_first() -> None:
    flight = make_congestion()
    flight.land(depart(flight, 1, now=0.0), 0.3)
    depart(flight, 1, now=1.0)
    assert flight.next_probe() is None


def test_a_path_that_became_slower_is_found_out_though_every_part_is_sent_twice() -> None:
    flight = make_congestion()
    flight.land(depart(flight, 1, now=0.0), 0.002)
    for now in range(1, 80):
        pieces = depart(flight, 1, now=float(now))
        flight.depart(pieces, now + 0.01)
        flight.land(pieces, now + 0.2)
    depart(flight, 1, now=100.0)
    probe_at = flight.next_probe()
    assert probe_at is None or probe_at > 100.2


@given(
    st.lists(
        st.tuples(st.sampled_from(("depart", "again", "land", "time out", "forget")), st.integers(0, 9)),
        max_size=80,
    )
)
def test_the_count_is_what_is_on_the_way(actions: list[tuple[str, int]]) -> None:
    flight = make_congestion()
    pieces = [Piece(number, 0, b"part") for number in range(10)]
    for now, (action, at) in enumerate(actions):
        piece = pieces[at]
        match action:
            case "depart" | "again":
                flight.depart([piece], float(now))
            case "land":
                flight.land([piece], float(now))
                assert all(not other.flight for other in flight.lost())
            case "time out":
                flight.time_out(piece, float(now))
            case _:
                flight.forget(piece)
        flight.tidy()
        on_the_way = {other.flight for other in pieces if other.flight}
        assert flight.count == sum(1 for other in pieces if other.flight)
        assert on_the_way <= {number for number, _ in flight._records}
        assert not flight._records or flight._records[0][0] in on_the_way


def test_a_restart_forgets_the_path() -> None:
    flight = make_congestion()
    flight.land(depart(flight, 1, now=0.0), 0.005)
    for now in range(3):
        flight.time_out(depart(flight, 1, now=now + 1.0)[0], now + 1.5)
    depart(flight, 3, now=5.0)
    flight.restart()
    assert (flight.window, flight.count, flight.next_probe(), flight.space) == (64, 0, None, 64)
