"""Which files a registry keeps: quotas of people, networks and all, and what makes room."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.kept.shelf import Gift, KeptHead, Quota, Refused, Shelf
from chatapp.wire.files import page_count
from chatapp.wire.limits import KEPT_LEAST, KEPT_NETWORK_SHARES
from chatapp.wire.messages.files import KeptResult

MEGABYTE = 1_000_000
QUOTA = Quota(each=MEGABYTE, total=10 * MEGABYTE, kept_for=1_000.0)
ALICE, BOB, CAROL = (bytes((number,)) * 32 for number in range(3))


def head(
    giver: bytes, number: int, size: int = 300_000, *, network: str = "lab", at: int = 0
) -> KeptHead:
    """Return a file of this size whose content no other number has."""
    pages = (number.to_bytes(32, "big"),) * page_count(size)
    return KeptHead(giver, network, size, pages, at or number)


def give(shelf: Shelf, file: KeptHead, *, now: float = 0.0) -> list[bytes] | Refused:
    """Give a file whole; return what made room for it, or why it is not taken."""
    gift = shelf.begin(file, now=now)
    if isinstance(gift, Refused):
        return gift
    room = shelf.grow(gift, file.cost, now=now)
    if not room.is_enough:
        shelf.give_up(gift)
        return Refused(KeptResult.TOO_FAST)
    shelf.finish(gift)
    return room.gone


def test_the_oldest_of_a_person_makes_room() -> None:
    shelf = Shelf(QUOTA)
    files = [head(ALICE, number) for number in range(1, 5)]
    assert [give(shelf, file) for file in files] == [[], [], [], [files[0].id]]
    assert shelf.find(files[0].id) is None and shelf.find(files[3].id) == files[3]


def test_a_network_has_a_few_times_as_much_and_others_lose_nothing() -> None:
    shelf = Shelf(QUOTA)
    safe = head(CAROL, 1, network="far")
    assert give(shelf, safe) == []
    for number in range(2, 40):
        giver = number.to_bytes(32, "big")
        assert isinstance(give(shelf, head(giver, number), now=number * 3_600.0), list)
    assert shelf.size <= KEPT_NETWORK_SHARES * MEGABYTE + safe.cost
    assert shelf.find(safe.id) is not None


def test_when_all_is_full_the_network_that_has_most_makes_room() -> None:
    shelf = Shelf(Quota(each=MEGABYTE, total=2 * MEGABYTE, kept_for=1_000.0))
    safe = head(CAROL, 1, network="far")
    give(shelf, safe)
    floods = [head(number.to_bytes(32, "big"), number) for number in range(2, 20)]
    for flood in floods:
        give(shelf, flood, now=flood.at * 3_600.0)
    assert shelf.find(safe.id) is not None and shelf.size <= 2 * MEGABYTE
    assert shelf.find(floods[-1].id) is not None


def test_what_is_too_large_is_refused_with_the_limit() -> None:
    shelf = Shelf(QUOTA)
    assert give(shelf, head(ALICE, 1, MEGABYTE)) == Refused(KeptResult.TOO_LARGE, MEGABYTE)
    assert len(shelf) == shelf.size == 0


def test_who_fills_their_place_again_and_again_has_to_wait() -> None:
    shelf = Shelf(QUOTA)
    answers = [give(shelf, head(ALICE, number)) for number in range(1, 20)]
    refused = [one for one in answers if isinstance(one, Refused)]
    assert refused and {one.result for one in refused} == {KeptResult.TOO_FAST}
    assert give(shelf, head(BOB, 50)) == []
    assert isinstance(give(shelf, head(ALICE, 51), now=refused[-1].limit + 1.0), list)


def test_a_file_that_is_there_is_not_given_again_and_two_do_not_give_one() -> None:
    shelf = Shelf(QUOTA)
    file = head(ALICE, 1)
    gift = shelf.begin(file, now=0.0)
    assert isinstance(gift, Gift)
    again = shelf.begin(head(BOB, 1), now=0.0)
    assert isinstance(again, Refused) and again.result is KeptResult.TOO_FAST
    shelf.grow(gift, file.cost, now=0.0)
    shelf.finish(gift)
    assert shelf.begin(head(BOB, 1), now=0.0) == Refused(KeptResult.KEPT)


def test_small_files_count_enough_to_be_few() -> None:
    shelf = Shelf(QUOTA)
    for number in range(1, 200):
        give(shelf, head(ALICE, number, 1))
    assert len(shelf) <= MEGABYTE // KEPT_LEAST


def test_a_gift_that_ends_gives_its_place_back() -> None:
    shelf = Shelf(QUOTA)
    gift = shelf.begin(head(ALICE, 1), now=0.0)
    assert isinstance(gift, Gift)
    shelf.grow(gift, 100_000, now=0.0)
    assert shelf.size == 100_000
    shelf.give_up(gift)
    shelf.give_up(gift)
    assert shelf.size == 0


def test_files_expire_and_go_with_the_name_of_their_giver() -> None:
    shelf = Shelf(QUOTA)
    old, new, strange = head(ALICE, 1, at=10), head(ALICE, 2, at=500), head(BOB, 3, at=500)
    for file in (old, new, strange):
        give(shelf, file)
    gone = shelf.expire(lambda giver: giver == ALICE, wall=1_010.0)
    assert gone == [old.id, strange.id] and len(shelf) == 1


def test_after_a_restart_with_less_place_the_newest_stay() -> None:
    files = [head(ALICE, number) for number in range(1, 8)]
    shelf = Shelf(QUOTA)
    assert shelf.load(files[::-1]) == [file.id for file in files[:4]]
    assert shelf.size == sum(file.cost for file in files[4:])


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 30), st.integers(1, 999_000), st.booleans()),
        max_size=60,
    )
)
def test_no_quota_is_ever_exceeded(gifts: list[tuple[int, int, int, bool]]) -> None:
    quota = Quota(each=MEGABYTE, total=3 * MEGABYTE, kept_for=1_000.0)
    shelf, kept = Shelf(quota), dict[bytes, KeptHead]()
    for at, (who, number, size, is_whole) in enumerate(gifts):
        file = head(bytes((who,)) * 32, number, size, network=f"net {who % 2}")
        now = at * 3_600.0
        if is_whole:
            gone = give(shelf, file, now=now)
            if isinstance(gone, list):
                kept = {id_: one for id_, one in kept.items() if id_ not in gone} | {file.id: file}
        elif isinstance(gift := shelf.begin(file, now=now), Gift):
            gone = shelf.grow(gift, file.cost // 2, now=now).gone
            kept = {id_: one for id_, one in kept.items() if id_ not in gone}
            shelf.give_up(gift)
        assert shelf.size == sum(one.cost for one in kept.values()) <= quota.total
        for giver in {one.giver for one in kept.values()}:
            assert sum(one.cost for one in kept.values() if one.giver == giver) <= quota.each
        for network in {one.network for one in kept.values()}:
            of_network = sum(one.cost for one in kept.values() if one.network == network)
            assert of_network <= quota.of_network
