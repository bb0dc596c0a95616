"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.rates import KEYS_MAX, RateLimiter


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_never_more_than_the_burst_and_what_time_has_brought(times: list[float]) -> None:
    limiter = RateLimiter(rate=2.0, burst=5.0)
    times.sort()
    taken = [at for at in times if limiter.take("a", now=at)]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 5.0 + 2.0 * (taken[last] - taken[first]) + 1e-6


def test_each_key_has_its_own_bucket_and_the_idle_one_is_forgotten() -> None:
    limiter = RateLimiter(rate=0.001, burst=1.0)
    assert limiter.take("a", now=0)
    assert not limiter.take("a", now=0)
    assert all(limiter.take(str(number), now=0) for number in range(KEYS_MAX))
    assert limiter.take("a", now=0)
