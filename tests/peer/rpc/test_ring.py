"""The last events: bounded by number and size, mail in pieces that fit a line."""

import json

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.rpc.protocol import LINE_MAX
from chatapp.peer.rpc.ring import EventRing
from chatapp.wire.limits import TEXT_MAX


def said(id_: int, text: str) -> events.Said:
    return events.Said(
        conversation=person("bob"),
        id=id_,
        sender="bob",
        identity=b"b" * 32,
        number=id_,
        text=text,
        at=0.0,
        is_late=True,
    )


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 10), st.integers(128, 2_000))
def test_the_newest_events_are_kept_within_both_bounds(
    sizes: list[int], most: int, size: int
) -> None:
    ring = EventRing(events_max=most, size_max=size)
    for number, length in enumerate(sizes, start=1):
        ring.add([said(number, "x" * length)])
        assert ring.last == number
        kept = range(ring.first, ring.last + 1)
        assert 1 <= len(kept) <= most
        assert [json.loads(ring.line(one))["params"]["event"]["id"] for one in kept] == [*kept]
        taken = sum(128 + sizes[one - 1] for one in kept)
        assert taken <= size or len(kept) == 1
        if len(kept) < min(most, number):
            assert taken + 128 + sizes[ring.first - 2] > size
        assert [
            ring.has_all_after(one) for one in (ring.first - 2, ring.first - 1, number, number + 1)
        ] == [
            False,
            True,
            True,
            False,
        ]


@given(st.lists(st.sampled_from(["", "hi", "\x01" * TEXT_MAX, "é" * 20_000]), max_size=250))
def test_mail_is_cut_into_events_that_fit_a_line(texts: list[str]) -> None:
    ring = EventRing(events_max=1_000, size_max=1 << 30)
    ring.add([events.MailReturned(lines=tuple(said(id_, text) for id_, text in enumerate(texts)))])
    told = [ring.line(number) for number in range(ring.first, ring.last + 1)]
    assert all(len(line) <= LINE_MAX for line in told)
    params = [json.loads(line)["params"] for line in told]
    assert [line["text"] for one in params for line in one["event"]["lines"]] == texts
    assert [one.get("more", False) for one in params] == [True] * (len(params) - 1) + [
        False
    ] * bool(params)


def test_a_single_line_of_any_text_fits() -> None:
    ring = EventRing()
    ring.add([said(1, "\x01" * TEXT_MAX)])
    assert len(ring.line(1)) <= LINE_MAX
