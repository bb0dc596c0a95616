"""The fair queue: networks take turns, and none takes all the places."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.edge.admission import BURST, SERVED_IN_ONE_TURN, FairQueue
from chatapp.registry.rules.effects import DropReason
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_cookie
from chatapp.wire.messages.registration import Welcome
from tests.faults.flooder import hello, signed
from tests.registry.rig import Rig

MOST = 60


def all_of(queue: FairQueue[tuple[str, int]]) -> list[tuple[str, int]]:
    taken: list[tuple[str, int]] = []
    while queue.due <= 0.0:
        taken += queue.taken(now=0.0)
    return taken


def test_each_network_has_its_turn_before_any_has_its_second() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(most=MOST)
    for number in range(20):
        assert queue.join("flood", ("flood", number), now=0.0)
    assert queue.join("class", ("class", 0), now=0.0)
    assert queue.join("class", ("class", 1), now=0.0)
    first, *rest = all_of(queue)
    assert first == ("flood", 0)
    assert rest[:4] == [("class", 0), ("flood", 1), ("class", 1), ("flood", 2)]
    assert len(rest) == 21 and queue.due == float("inf") and len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40)), max_size=30))
def test_a_newcomer_finds_a_place_whatever_others_do(crowds: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(most=MOST)
    for network, count in crowds:
        for number in range(count):
            queue.join(network, (network, number), now=0.0)
    assert queue.join("newcomer", ("newcomer", 0), now=0.0)
    taken = all_of(queue)
    networks = [network for network, _ in taken]
    assert networks.index("newcomer") == len(set(networks)) - 1, "behind one of each"
    for network in set(networks):
        numbers = [number for name, number in taken if name == network]
        assert len(numbers) <= MOST * 3 // 8 + 1


def test_one_network_gets_at_most_half_of_the_shared_places_and_gets_them_back() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(most=MOST)
    assert [queue.join("one", ("one", n), now=0.0) for n in range(MOST)].count(
        True
    ) == MOST * 3 // 8 + 1
    assert len(queue.taken(now=0.0)) == SERVED_IN_ONE_TURN
    assert queue.join("one", ("one", 0), now=0.0)


def test_a_few_registers_wait_for_nobody() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(most=MOST)
    assert [queue.is_free(now=0.0) for _ in range(int(BURST) + 1)].count(True) == BURST
    assert queue.is_free(now=1.0)
    queue.join("one", ("one", 0), now=1.0)
    assert not queue.is_free(now=2.0), "others came before"


def test_a_newcomer_passes_a_flood_of_forged_registers() -> None:
    rig = Rig()
    flood = Address("127.0.1.1", 7_000)
    rig.receive(hello(rig.rng), flood)
    cookie = decode_cookie(rig.take(flood)[0][1:])
    forged = signed(rig.rng, cookie, is_forged=True)()
    bob = rig.peer("bob")
    asked = bob.register_bytes(bob.hello())
    for _ in range(int(BURST) + 1_000):
        rig.core.receive_datagram(forged, flood, now=rig.now)
    rig.core.receive_datagram(asked, bob.address, now=rig.now)
    looked_at = rig.core.dropped[DropReason.BAD_REGISTER_SIGNATURE]
    assert looked_at == BURST
    assert rig.core.next_timer() <= rig.now
    rig.core.handle_timer(now=rig.now)
    answered = rig.core.dropped[DropReason.BAD_REGISTER_SIGNATURE] - looked_at
    assert answered == SERVED_IN_ONE_TURN - 1
    rig.turn()
    assert isinstance(bob.answer(), Welcome)
