"""The fan-out buffer: each frame is stored once, and each link gets the same as from a queue of its
own."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.edge.links import FanoutBuffer, Links
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.address import Address
from chatapp.wire.codec import frame
from chatapp.wire.sessions.link import LinkSession
from tests.wire.parties import linked

NUMBERS = range(1, 5)

steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "relay", "relay", "send", "end", "forget", "drain"]),
        st.sampled_from(NUMBERS),
    ),
    max_size=60,
)


class Queues:
    """A queue for each link: slow, and obviously right."""

    def __init__(self) -> None:
        self.queued: dict[int, list[bytes]] = {}
        self.members: dict[int, LinkSession] = {}

    def relay(self, body: bytes, sender: int) -> None:
        for number in self.members:
            if number != sender:
                self.queued.setdefault(number, []).append(frame(body))

    def drain(self) -> dict[int, bytes]:
        drained, self.queued = self.queued, {}
        return {number: b"".join(pieces) for number, pieces in drained.items()}


@given(steps)
def test_each_link_gets_what_a_queue_of_its_own_would_hold(script: list[tuple[str, int]]) -> None:
    links, queues = Links(most=100), Queues()
    names: dict[int, int] = {}
    for count, (what, which) in enumerate([*script, ("drain", 1)]):
        number, body = names.get(which, 0), b"%d" % count
        link = links.find(number)
        if what == "drain":
            writes = links.writes()
            assert len({one for one, _ in writes}) == len(writes)
            assert {one: b"".join(pieces) for one, pieces in writes} == queues.drain()
        elif what == "open" and link is None:
            names[which] = number = 1_000 + count
            links.open(number, Address("10.0.0.1", which), now=0.0)
            opened = links.find(number)
            assert opened is not None
            session = linked()[1]
            links.attach(opened, session, b"i", b"hello")
            queues.queued[number] = [frame(b"hello")]
            queues.members[number] = copy.copy(session)
        elif what == "relay":
            links.relay(body, sender=number)
            queues.relay(body, number)
        elif link is not None and what == "send":
            links.send(link, body)
            queues.queued.setdefault(number, []).append(frame(queues.members[number].seal(body)))
        elif link is not None:
            links.end(number, LinkEndReason.LEFT) if what == "end" else links.forget(number)
            del queues.members[number]


def test_links_that_read_from_the_same_position_get_the_same_object() -> None:
    log = FanoutBuffer()
    log.append(b"of an earlier turn", sender=1)
    log.clear()
    log.append(b"a", sender=1)
    log.append(b"b", sender=2)
    assert log.after(0) is log.after(log.begin)
    assert log.after(0) == b"ab"
    assert log.after(log.begin + 1) == b"b"
    assert log.after_of_others(0, 1) == b"b"
    assert log.after_of_others(0, 3) is log.after(0)
    log.append(b"c", sender=1)
    assert log.after(0) == b"abc"
