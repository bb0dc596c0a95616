"""Opening hours: which times are open, and when that changes, also when the clocks do."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.desk.opening import Hours, spans

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours(["Mon-Fri 09:00-12:00", "Mon-Thu 13:00-17:00", "Sat 10:00-13:00"])


def at(text: str, zone: ZoneInfo | None = None) -> int:
    """Return a time in milliseconds, in UTC or a zone."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone or UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("moment", "is_open", "opens", "closes"),
    [
        ("2026-11-23 08:59:59", False, "2026-11-23 09:00", "2026-11-23 12:00"),  # a Monday
        ("2026-11-23 09:00", True, "2026-11-23 13:00", "2026-11-23 12:00"),
        ("2026-11-23 12:00", False, "2026-11-23 13:00", "2026-11-23 17:00"),
        ("2026-11-27 12:00", False, "2026-11-28 10:00", "2026-11-28 13:00"),
        ("2026-11-28 13:00", False, "2026-11-30 09:00", "2026-11-30 12:00"),
    ],
)
def test_a_week(moment: str, opens: str, closes: str, *, is_open: bool) -> None:
    now = at(moment)
    assert OFFICE.is_open(now) is is_open
    assert OFFICE.next_opening(now) == at(opens)
    assert OFFICE.next_closing(now) == at(closes)


def test_without_entries_it_is_always_open() -> None:
    hours = Hours([])
    assert hours.is_open(at("2026-11-23 03:00"))
    assert hours.next_opening(at("2026-11-23 03:00")) is None
    assert hours.next_closing(at("2026-11-23 03:00")) is None


def test_all_day_every_day_never_changes() -> None:
    hours = Hours(["Mon-Sun 00:00-24:00"])
    assert hours.is_open(at("2026-11-23 23:59:59"))
    assert hours.next_closing(at("2026-11-23 12:00")) is None


def test_a_range_of_days_may_pass_the_end_of_the_week() -> None:
    assert [span.weekday for span in spans("Sat-Mon 08:00-09:00")] == [5, 6, 0]


def test_hours_are_local_when_the_clocks_change() -> None:
    hours = Hours(["Mon-Sun 09:00-17:00"], BERLIN)
    for day in ("2026-10-24", "2026-10-25", "2026-10-26"):  # summer time ends on the 25th
        assert hours.next_opening(at(f"{day} 08:00", BERLIN)) == at(f"{day} 09:00", BERLIN)
        assert hours.next_closing(at(f"{day} 10:00", BERLIN)) == at(f"{day} 17:00", BERLIN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no entry"),
        ("Mon 9-17", "is no entry"),
        ("Mon-Foo 09:00-17:00", '"foo"'),
        ("Mon 17:00-09:00", "ends before it begins"),
        ("Mon 09:00-09:00", "ends before it begins"),
        ("Mon 09:60-10:00", "09:60"),
        ("Mon 09:00-24:01", "24:01"),
    ],
)
def test_what_is_wrong_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        spans(text)


@given(st.integers(0, 60 * 24 * 365))
def test_each_change_is_a_change(minutes: int) -> None:
    now = at("2026-01-01 00:00") + 60_000 * minutes
    for change, becomes in ((OFFICE.next_opening(now), True), (OFFICE.next_closing(now), False)):
        assert change is not None
        assert change > now
        assert OFFICE.is_open(change) is becomes
        assert OFFICE.is_open(change - 1) is not becomes
