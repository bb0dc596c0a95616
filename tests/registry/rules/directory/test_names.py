"""The names: one identity for each name, look-alikes, and names that wait for the disk."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.directory.names import Names, key_of
from chatapp.wire.limits import NAMES_RESERVED_MAX
from chatapp.wire.names import looks_of

ANN, BOB = b"a" * 32, b"b" * 32
KEYS = ("ann", "\u0430nn", "bob", "b\u043eb", "b0b", "eve", "joe", "sue")


def test_a_promise_that_is_taken_back_leaves_what_was() -> None:
    names = Names()
    names.claim("ann", ANN)
    assert names.is_taken("ann", BOB)
    assert names.is_claimed("ann")
    names.release_claim("ann", ANN)
    assert not names.is_taken("ann", BOB)
    assert len(names) == 0
    names.reserve("ann", ANN, until=9.0)
    names.claim("ann", ANN)
    names.release_claim("ann", ANN)
    assert names.is_taken("ann", BOB), "it is still reserved"


def test_a_bound_name_is_never_taken_back() -> None:
    names = Names()
    names.claim("ann", ANN)
    names.bind("ann", ANN)
    names.release_claim("ann", ANN)
    assert names.holder("ann") == ANN


def test_a_name_on_its_way_back_does_not_expire() -> None:
    names = Names()
    names.reserve("ann", ANN, until=9.0)
    names.claim("ann", ANN)
    assert names.expired(now=20.0) == []
    names.bind("ann", ANN)
    assert names.expired(now=20.0) == []


def test_the_key_of_a_name_in_its_one_right_form() -> None:
    assert key_of("Ann") == "ann"
    assert key_of("\uff21nn") is None, "full-width letters are typed, not shown"
    assert key_of("two words") is None


def test_a_name_is_refused_that_looks_as_a_taken_one_is_typed_or_as_its_key() -> None:
    names = Names()
    names.bind("Mary", ANN)
    names.bind("ALICE", ANN)
    for forged in ("rnary", "RNARY", "aIice", "ALlCE", "a1ice", "M\u0430ry"):
        assert names.is_taken(forged, BOB), forged
        assert not names.is_taken(forged, ANN), "it is the same person's"
    assert not names.is_taken("alicia", BOB)
    names.release("mary", ANN)
    assert not names.is_taken("rnary", BOB)


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(("promise", "bind", "back", "reserve", "expire")),
        st.sampled_from(KEYS),
        st.sampled_from((ANN, BOB)),
    ),
    max_size=60,
)


@given(DEEDS)
def test_no_two_hold_names_that_look_alike_and_nobody_hoards(
    deeds: list[tuple[str, str, bytes]],
) -> None:
    names, bound, now = Names(), dict[bytes, str](), 0.0
    for deed, key, who in deeds:
        now += 1.0
        if deed == "expire":
            names.expired(now=now)
        elif names.is_taken(key, who):
            continue
        elif deed == "promise" and bound.get(who) != key:
            names.claim(key, who)
        elif deed == "back" and bound.get(who) != key:
            names.release_claim(key, who)
        elif deed == "bind":
            names.bind(key, who)
            former, bound[who] = bound.get(who), key
            if former is not None and former != key:
                names.reserve(former, who, until=now + 10.0)
        held = {key: names.holder(key) for key in KEYS if names.holder(key) is not None}
        looks = {(look, whose) for key, whose in held.items() for look in looks_of(key)}
        assert len({look for look, _ in looks}) == len(looks)
        assert len(names) == len(held)
        assert all(names.holder(key) == whose for whose, key in bound.items())
        for one in (ANN, BOB):
            borne = [
                key for key, whose in held.items() if whose == one and not names.is_claimed(key)
            ]
            assert len(borne) <= NAMES_RESERVED_MAX + 1
