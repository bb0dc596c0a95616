"""Token buckets: a burst, then a rate; idle buckets are forgotten first."""

from chatapp.wire.buckets import Buckets


def test_a_burst_then_the_rate() -> None:
    buckets: Buckets[str] = Buckets(rate=2.0, burst=3.0, most=10)
    assert [buckets.take("eve", now=0.0) for _ in range(4)] == [True, True, True, False]
    assert not buckets.take("eve", now=0.4)
    assert buckets.take("eve", now=0.5)
    assert buckets.take("bob", now=0.5), "somebody else's bucket is their own"


def test_tokens_do_not_pile_up_over_the_burst() -> None:
    buckets: Buckets[str] = Buckets(rate=2.0, burst=3.0, most=10)
    buckets.take("eve", now=0.0)
    assert [buckets.take("eve", now=1_000.0) for _ in range(4)] == [True, True, True, False]


def test_only_so_many_are_remembered() -> None:
    buckets: Buckets[int] = Buckets(rate=1.0, burst=1.0, most=3)
    for who in (1, 2, 3, 1, 4):
        buckets.take(who, now=0.0)
    assert len(buckets) == 3
    assert not buckets.take(1, now=0.0), "who asked lately is remembered"
    assert buckets.take(2, now=0.0), "who was idle longest was forgotten"


def test_an_overdraft_says_how_long_to_wait() -> None:
    buckets: Buckets[str] = Buckets(rate=5.0, burst=10.0, most=1)
    assert buckets.overdraw("eve", 10, now=0.0) == 0.0
    assert buckets.overdraw("eve", 5, now=0.0) == 1.0
    assert buckets.overdraw("eve", 5, now=1.0) == 1.0


def test_time_that_runs_backwards_takes_nothing() -> None:
    buckets: Buckets[str] = Buckets(rate=1.0, burst=1.0)
    assert buckets.take("eve", now=5.0)
    assert not buckets.take("eve", now=4.0)
    assert buckets.take("eve", now=6.0)


def test_a_forgotten_bucket_is_full_again() -> None:
    buckets: Buckets[str] = Buckets(rate=1.0, burst=1.0)
    assert buckets.take("eve", now=0.0)
    buckets.forget("eve")
    assert buckets.take("eve", now=0.0)
