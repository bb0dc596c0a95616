"""Leases: they end in order, and renewal extends them."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.limits import Leases


def test_a_lease_ends_after_its_span() -> None:
    leases: Leases[str] = Leases(30.0)
    leases.renew("bob", now=10.0)
    assert leases.next_deadline() == 40.0
    assert leases.expired(now=39.9) == []
    assert "bob" in leases
    assert leases.expired(now=40.0) == ["bob"]
    assert "bob" not in leases
    assert leases.next_deadline() is None


def test_renewing_keeps_it_and_ending_ends_it() -> None:
    leases: Leases[str] = Leases(30.0)
    leases.renew("bob", now=0.0)
    leases.renew("eve", now=1.0)
    leases.renew("bob", now=20.0)
    assert leases.oldest() == "eve"
    assert leases.end("eve")
    assert not leases.end("eve")
    assert leases.expired(now=49.0) == []
    assert len(leases) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 10)), max_size=40), st.floats(0, 200))
def test_who_expires_is_just_who_was_not_renewed_in_time(
    renewals: list[tuple[int, float]], until: float
) -> None:
    leases: Leases[int] = Leases(30.0)
    model: dict[int, float] = {}
    now = 0.0
    for key, pause in renewals:
        now += pause
        leases.renew(key, now=now)
        model[key] = now + 30.0
    assert leases.next_deadline() == min(model.values(), default=None)
    assert set(leases.expired(now=until)) == {key for key, end in model.items() if end <= until}
    assert len(leases) == sum(end > until for end in model.values())


def test_what_is_postponed_ends_with_the_first_of_the_others() -> None:
    leases: Leases[str] = Leases(30.0)
    for now, who in enumerate(("ann", "bob", "carol")):
        leases.renew(who, now=float(now))
    leases.postpone(31.0)
    assert leases.expired(now=30.9) == []
    assert leases.expired(now=31.0) == ["ann", "bob"]
    leases.postpone(20.0)
    assert leases.next_deadline() == 32.0
