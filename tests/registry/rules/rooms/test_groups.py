"""Groups: who may send, order, reading the log, eviction."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.rooms.log import FRAME_MAX, Cut, Group, LogLine, Verdict
from chatapp.wire.codec import GroupHeader, pack_relayed
from chatapp.wire.limits import (
    GROUP_BYTES_MAX,
    GROUP_KEPT_FOR,
    GROUP_LINES_MAX,
    GROUP_PAGE_MAX,
    LINK_FRAME_MAX,
)
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.sealing import group_tag

BOB, EVE = b"b" * 32, b"e" * 32
TAG = group_tag(CHANNEL)


def group(*epochs: int) -> Group:
    made = Group(CHANNEL, position=100)
    for epoch in epochs or (1,):
        made.begin_epoch(epoch, bytes([epoch]) * 32, honoured_until=60.0)
    return made


def say(
    made: Group, sender: bytes = BOB, *, epoch: int = 1, size: int = 90, now: float = 0.0
) -> LogLine:
    """Return a line that is on the disk."""
    line = made.add(sender, epoch, size, now=now)
    made.settle(line.position)
    return line


def cut(made: Group, *, now: float = 0.0, networks: dict[bytes, str] | None = None) -> Cut:
    """Each identity has its own network, unless `networks` says otherwise."""
    return made.cut(now=now, network_of=bytes.hex if networks is None else networks.__getitem__)


def judge(
    of: Group,
    *,
    epoch: int = 1,
    sender_index: int = 5,
    tag: bytes = TAG,
    size: int = 90,
    now: float = 0.0,
) -> Verdict:
    return of.judge(GroupHeader(tag, epoch, sender_index, 0), size, sender_index=5, now=now)


class TestSpeaking:
    def test_the_present_epoch_is_taken(self) -> None:
        assert judge(group()) is Verdict.TAKEN

    def test_the_epoch_before_is_taken_for_a_while(self) -> None:
        assert judge(group(1, 2), now=59.0) is Verdict.TAKEN
        assert judge(group(1, 2), now=60.0) is Verdict.OVER
        assert judge(group(1, 2, 3), now=1.0) is Verdict.OVER

    def test_another_group_or_station_is_dropped(self) -> None:
        assert judge(group(), tag=group_tag("#room")) is Verdict.FOREIGN
        assert judge(group(), sender_index=6) is Verdict.FOREIGN
        assert judge(group(), sender_index=0) is Verdict.FOREIGN

    def test_a_frame_that_no_reader_could_take_relayed_is_dropped(self) -> None:
        assert judge(group(), size=FRAME_MAX) is Verdict.TAKEN
        assert judge(group(), size=FRAME_MAX + 1) is Verdict.FOREIGN
        assert len(pack_relayed(1, bytes(FRAME_MAX))) <= LINK_FRAME_MAX

    def test_positions_rise_by_one(self) -> None:
        made = group()
        assert [say(made, BOB, epoch=1, size=90, now=0.0).position for _ in range(3)] == [
            101,
            102,
            103,
        ]
        made.forget(102)
        assert say(made, BOB, epoch=1, size=90, now=0.0).position == 104
        assert [line.position for line in made.page(0, reader=EVE).lines] == [101, 103, 104]

    def test_lines_on_their_way_to_the_disk_are_not_shown(self) -> None:
        made = group()
        say(made)
        first, second, third = (made.add(BOB, 1, 90, now=0.0).position for _ in range(3))
        made.settle(second)
        page = made.page(0, reader=EVE)
        assert ([line.position for line in page.lines], page.position, page.more) == (
            [101],
            101,
            False,
        )
        assert (made.settled, made.count_after(0, reader=EVE)) == (101, 1)
        made.forget(first)
        assert made.settled == second
        made.forget(third)
        assert [line.position for line in made.page(0, reader=EVE).lines] == [101, second]
        assert made.settled == third, "nothing comes any more in its place"


class TestPages:
    def test_a_reader_gets_what_others_said_after(self) -> None:
        made = group()
        for sender in (BOB, EVE, BOB, EVE, EVE):
            say(made, sender, epoch=1, size=90, now=0.0)
        page = made.page(101, reader=EVE)
        assert [line.position for line in page.lines] == [103]
        assert (page.position, page.more) == (105, False)

    def test_nothing_new_is_an_empty_page_at_the_end(self) -> None:
        assert group().page(100, reader=EVE) == ([], [], 100, False)
        assert group().page(900, reader=EVE).position == 900

    def test_keys_of_earlier_epochs_come_along(self) -> None:
        made = group(1)
        say(made, BOB, epoch=1, size=90, now=0.0)
        made.begin_epoch(2, b"2" * 32, honoured_until=60.0)
        made.begin_epoch(3, b"3" * 32, honoured_until=60.0)
        say(made, BOB, epoch=3, size=90, now=0.0)
        assert [(key.epoch, key.key) for key in made.page(0, reader=EVE).keys] == [
            (1, b"\x01" * 32),
            (3, b"3" * 32),
        ]

    @given(st.lists(st.tuples(st.booleans(), st.integers(42, FRAME_MAX)), max_size=60))
    def test_pages_together_are_everything_and_each_fits(
        self, lines: list[tuple[bool, int]]
    ) -> None:
        made = group()
        for is_own, size in lines:
            say(made, EVE if is_own else BOB, epoch=1, size=size, now=0.0)
        since, seen = 0, list[LogLine]()
        while True:
            page = made.page(since, reader=EVE)
            assert len(page.lines) == 1 or sum(line.size for line in page.lines) <= GROUP_PAGE_MAX
            seen += page.lines
            assert page.position > since or not page.more
            since = page.position
            if not page.more:
                break
        assert [line.size for line in seen] == [size for is_own, size in lines if not is_own]
        assert since == 100 + len(lines)


class TestKeeping:
    def test_old_lines_are_cut(self) -> None:
        made = group()
        for now in (0.0, 10.0, 20.0):
            say(made, BOB, epoch=1, size=90, now=now)
        assert cut(made, now=GROUP_KEPT_FOR - 1) == Cut(None, [], [])
        assert cut(made, now=GROUP_KEPT_FOR + 10) == Cut(102, [], [])
        assert [line.position for line in made.page(0, reader=EVE).lines] == [103]

    def test_too_many_lines_are_cut(self) -> None:
        made = group()
        for _ in range(GROUP_LINES_MAX + 5):
            say(made, BOB, epoch=1, size=90, now=0.0)
        assert not made.is_overfull
        assert cut(made) == Cut(105, [], [])

    def test_too_many_bytes_are_cut(self) -> None:
        made = group()
        count = GROUP_BYTES_MAX // FRAME_MAX + 1
        for _ in range(count):
            say(made, BOB, epoch=1, size=FRAME_MAX, now=0.0)
        assert cut(made) == Cut(101, [], [])
        for _ in range(count // 5):
            say(made, BOB, epoch=1, size=FRAME_MAX, now=0.0)
        assert made.is_overfull

    def test_keys_that_no_line_needs_go(self) -> None:
        made = group(1)
        say(made, BOB, epoch=1, size=90, now=0.0)
        for epoch in (2, 3, 4):
            made.begin_epoch(epoch, bytes([epoch]) * 32, honoured_until=0.0)
        cut(made, now=GROUP_KEPT_FOR)
        assert set(made._keys) == {3, 4}

    def test_what_was_loaded_goes_on(self) -> None:
        made = Group(CHANNEL, position=50)
        made.load({1: b"1" * 32}, [LogLine(70, BOB, 1, 90, 99.0)])
        made.begin_epoch(2, b"2" * 32, honoured_until=0.0)
        assert say(made, BOB, epoch=2, size=90, now=0.0).position == 71
        assert [key.epoch for key in made.page(0, reader=EVE).keys] == [1, 2]


class TestWhoPaysForAFlood:
    """A full log drops lines of the sender with most lines in it."""

    def spoken(self, made: Group) -> Counter[bytes]:
        return Counter(line.sender for line in made._log)

    def test_one_who_speaks_without_end_loses_their_own_lines(self) -> None:
        made = group()
        first = [say(made, BOB).position for _ in range(100)]
        for _ in range(GROUP_LINES_MAX):
            say(made, EVE)
        upto, dropped, last_uses = cut(made)
        assert (upto, dropped) == (None, list(range(201, 301)))
        assert last_uses == [(1, 100 + 100 + GROUP_LINES_MAX)]
        assert self.spoken(made) == {BOB: 100, EVE: GROUP_LINES_MAX - 100}
        assert [line.position for line in made.page(0, reader=EVE).lines] == first

    def test_many_identities_of_one_network_count_together(self) -> None:
        made = group()
        pending = {number.to_bytes(32): "10.0.0.6" for number in range(GROUP_LINES_MAX // 10)}
        for _ in range(20):
            say(made, BOB)
        for identity in pending:
            for _ in range(10):
                say(made, identity)
        cut(made, networks={BOB: "10.0.0.1", **pending})
        assert self.spoken(made)[BOB] == 20
        assert len(made._log) == GROUP_LINES_MAX

    def test_long_lines_count_as_what_they_take(self) -> None:
        made = group()
        for _ in range(100):
            say(made, BOB)
        for _ in range(GROUP_BYTES_MAX // FRAME_MAX + 1):
            say(made, EVE, size=FRAME_MAX)
        cut(made)
        assert self.spoken(made)[BOB] == 100

    def test_what_is_too_old_goes_first(self) -> None:
        made = group()
        say(made, BOB, now=0.0)
        for _ in range(GROUP_LINES_MAX + 1):
            say(made, EVE, now=10.0)
        say(made, BOB, now=10.0)
        assert cut(made, now=GROUP_KEPT_FOR + 5) == Cut(103, [], [])
        assert self.spoken(made) == {BOB: 1, EVE: GROUP_LINES_MAX - 1}

    @given(
        st.lists(st.tuples(st.integers(0, 4), st.integers(42, 4_000), st.booleans()), max_size=80),
        st.integers(1, 20),
        st.integers(100, 30_000),
    )
    def test_the_caps_hold_and_the_newest_stay(
        self, lines: list[tuple[int, int, bool]], lines_max: int, bytes_max: int
    ) -> None:
        made = Group(CHANNEL, position=0, lines_max=lines_max, bytes_max=bytes_max)
        made.begin_epoch(1, bytes(32), honoured_until=0.0)
        kept: dict[int, LogLine] = {}
        for who, size, is_cut in lines:
            line = say(made, bytes([who]) * 32, size=size)
            kept[line.position] = line
            if is_cut:
                upto, dropped, _ = made.cut(
                    now=0.0, network_of=lambda identity: str(identity[0] % 2)
                )
                kept = {
                    at: one for at, one in kept.items() if at > (upto or 0) and at not in dropped
                }
                assert len(kept) <= lines_max
                assert sum(one.size for one in kept.values()) <= max(bytes_max, size)
            assert made._log == list(kept.values())
            assert made._bytes == sum(one.size for one in kept.values())


def test_keys_that_nothing_needs_are_let_go() -> None:
    """A room's key changes with its members, for years."""
    made = group(1)
    say(made, BOB, epoch=1, size=90, now=0.0)
    for epoch in range(2, 2_000):
        made.begin_epoch(epoch, bytes(32), honoured_until=0.0)
    assert len(made._keys) < 200
    (key,) = made.page(0, reader=EVE).keys
    assert key.epoch == 1
    assert made.count_after(0, reader=EVE) == 1
    assert made.count_after(0, reader=BOB) == 0
