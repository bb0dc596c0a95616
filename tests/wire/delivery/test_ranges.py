"""Sets of ranges against plain sets."""

from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.delivery.ranges import RangeSet, covers, is_bounded, spans

numbers = st.integers(0, 12)
sets = st.sets(numbers)
"""So dense that runs of all kinds lie side by side."""
lengths = st.lists(st.integers(1, 5), min_size=1, max_size=9)


@given(st.lists(numbers, max_size=60))
def test_ranges_are_the_set_that_was_added(added: list[int]) -> None:
    ranges = RangeSet()
    for count, number in enumerate(added, 1):
        ranges.add(number)
        assert list(ranges) == sorted(set(added[:count]))
    assert all((number in ranges) == (number in set(added)) for number in range(-2, 15))
    assert ranges.count == sum(1 for number in set(added) if number - 1 not in set(added))


@given(sets, numbers)
def test_touches_says_whether_adding_needs_another_run(held: set[int], number: int) -> None:
    ranges = RangeSet(held)
    before, touches = ranges.count, ranges.touches(number)
    ranges.add(number)
    assert touches == (ranges.count <= before)
    assert list(ranges) == sorted(held | {number})


@given(sets, numbers, numbers)
@example({1, 3}, 0, 5)
@example({2, 3, 4}, 3, 3)
@example({1, 2, 3, 4}, 3, 5)
def test_a_span_is_removed_and_missed(held: set[int], start: int, end: int) -> None:
    ranges, span = RangeSet(held), set(range(start, end))
    assert {n for low, high in ranges.missing(start, end) for n in range(low, high)} == span - held
    assert all(low < high for low, high in ranges.missing(start, end))
    ranges.remove_span(start, end)
    assert list(ranges) == sorted(held - span)
    assert [n for low, high in ranges.spans() for n in range(low, high)] == sorted(held - span)
    assert ranges.count == RangeSet(held - span).count


@given(sets, numbers)
@example({0, 1, 4}, 2)
@example({0, 2, 3, 4}, 3)
def test_drop_below_keeps_the_rest(held: set[int], floor: int) -> None:
    ranges = RangeSet(held)
    ranges.drop_below(floor)
    kept = {number for number in held if number >= floor}
    assert list(ranges) == sorted(kept)
    assert ranges.count == RangeSet(kept).count


@given(sets, numbers, st.integers(0, 12))
def test_a_span_is_asked_for_and_added_as_a_whole(held: set[int], start: int, length: int) -> None:
    ranges, span = RangeSet(held), set(range(start, start + length))
    if span:
        assert (not ranges.missing(start, start + length)) == (span <= held)
        ranges.add_span(start, start + length)
    assert list(ranges) == sorted(held | span)
    assert ranges.count == RangeSet(held | span).count


@given(sets)
def test_each_run_is_a_span_that_is_held_and_no_longer_one_is(held: set[int]) -> None:
    ranges = RangeSet(held)
    newest = ranges.newest(99)
    for start, end in spans(*newest) if newest is not None else ():
        assert ranges.missing(start - 1, end + 1) == [(start - 1, start), (end, end + 1)]


@given(sets, st.integers(1, 6))
def test_the_newest_ranges_are_the_upper_end_of_the_set(held: set[int], limit: int) -> None:
    newest = RangeSet(held).newest(limit)
    if newest is None:
        assert not held
        return
    first, alternating = newest
    listed = [number for start, end in spans(first, alternating) for number in range(start, end)]
    assert listed == sorted(number for number in held if number >= first)
    assert len(alternating) == 2 * min(limit, RangeSet(held).count) - 1
    assert is_bounded(first, alternating, max(held))
    assert not is_bounded(first, alternating, max(held) - 1)


@given(st.integers(0, 9), lengths, st.integers(0, 50), st.integers(1, 9))
def test_covers_asks_for_one_run(
    first: int, alternating: list[int], start: int, length: int
) -> None:
    held = {number for low, high in spans(first, alternating) for number in range(low, high)}
    assert covers(first, alternating, start, start + length) == held.issuperset(
        range(start, start + length)
    )


@given(st.integers(-3, 9), st.lists(st.integers(-1, 5), max_size=9), st.integers(0, 40))
@example(0, [1, 0, 1], 40)
def test_bounded_lengths_end_in_a_run_within_the_bound(
    first: int, alternating: list[int], last: int
) -> None:
    is_whole = len(alternating) % 2 == 1 and all(length > 0 for length in alternating)
    assert is_bounded(first, alternating, last) == (
        is_whole and first >= 0 and first + sum(alternating) - 1 <= last
    )


def test_a_long_stream_in_order_is_one_run() -> None:
    ranges = RangeSet(range(100_000))
    assert ranges.count == 1
    assert ranges.newest(32) == (0, [100_000])
