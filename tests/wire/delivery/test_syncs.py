"""Which acknowledged messages survive a power cut, against a disk that keeps what a sync that is done
has covered."""

from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import Syncs

STEPS = st.lists(st.sampled_from(["store", "begin", "first ends", "last ends"]), max_size=30)


@given(STEPS)
@example(["store", "begin", "store", "first ends"])
@example(["begin", "store", "first ends", "begin", "begin", "last ends", "first ends"])
def test_the_sync_that_covers_all_is_named_until_it_is_done(steps: list[str]) -> None:
    syncs = Syncs(life=7)
    stored, covered, under_way, done = 0, [0], list[int](), 0
    for step in steps:
        if step == "store":
            syncs.note_stored()
            stored += 1
        elif step == "begin":
            assert syncs.begin() == len(covered)
            under_way.append(len(covered))
            covered.append(stored)
        elif under_way:
            ended = under_way.pop(0 if step == "first ends" else -1)
            syncs.end(ended)
            done = max(done, ended)
        assert syncs.done == done
        is_safe = covered[done] == stored
        named = next((one for one, count in enumerate(covered) if count == stored), len(covered))
        assert syncs.covering == (0 if is_safe else named)
    assert syncs.life == 7
