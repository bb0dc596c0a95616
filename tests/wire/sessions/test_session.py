"""Sessions: opened with data, answered, found by their id, renewed, erased (clause 5)."""

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.wire.address import Address
from chatapp.wire.codec import ANSWER_OVERHEAD, OPENING_OVERHEAD, SEALED_OVERHEAD, Kind
from chatapp.wire.errors import SealError, WireError
from chatapp.wire.identity import Identity, agreement_half
from chatapp.wire.limits import OPENINGS_PER_NETWORK_BURST
from chatapp.wire.sealing import CIPHERS_KEPT, Ciphers
from chatapp.wire.sessions.session import (
    ERASE_AFTER,
    OPENING_LASTS_FOR,
    OPENING_MAX,
    OPENINGS_BURST,
    RENEW_AFTER,
    RENEW_AFTER_DATAGRAMS,
    REPLACED_LASTS_FOR,
    SILENT_AFTER,
    OldOpening,
    Opened,
    SessionTable,
)
from tests.support.memory import keys_in_memory
from tests.support.tampering import all_cuts, all_flips

ALICE, BOB, EVE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
KNOWN = {one.public: b"" for one in (ALICE, BOB)}


def table(identity: Identity, **more: Any) -> SessionTable:
    more.setdefault("context_of", KNOWN.get)
    return SessionTable(identity, rng=random.SystemRandom(), **more)


@pytest.fixture
def alice() -> SessionTable:
    return table(ALICE)


@pytest.fixture
def bob() -> SessionTable:
    return table(BOB)


def sent(sender: SessionTable, to: Identity, payload: bytes, *, now: float = 0.0) -> bytes:
    """Return the one datagram that carries this payload."""
    (datagram,) = sender.seal(to.public, payload, now=now)
    return datagram


def meet(alice: SessionTable, bob: SessionTable, *, now: float = 0.0) -> None:
    """Establish a session: Alice opens, Bob answers, Alice confirms."""
    bob.open(sent(alice, BOB, b"a", now=now), now=now)
    alice.open(sent(bob, ALICE, b"b", now=now), now=now)
    bob.open(sent(alice, BOB, b"c", now=now), now=now)


# --- a session begins


def test_the_first_datagram_carries_data_and_so_does_its_answer(
    alice: SessionTable, bob: SessionTable
) -> None:
    first = sent(alice, BOB, b"hello")
    assert first[0] == Kind.OPENING and len(first) == len(b"hello") + OPENING_OVERHEAD
    assert bob.open(first, now=0.0)[:2] == (ALICE.public, b"hello")
    answer = sent(bob, ALICE, b"well")
    assert answer[0] == Kind.ANSWER and len(answer) == len(b"well") + ANSWER_OVERHEAD
    assert alice.open(answer, now=0.0)[:2] == (BOB.public, b"well")
    third = sent(alice, BOB, b"then")
    assert third[0] == Kind.SEALED and len(third) == len(b"then") + SEALED_OVERHEAD
    assert bob.open(third, now=0.0).payload == b"then"
    assert sent(bob, ALICE, b"so")[0] == Kind.SEALED


def test_several_datagrams_go_out_before_the_answer_and_are_read_in_any_order(
    alice: SessionTable, bob: SessionTable
) -> None:
    datagrams = [sent(alice, BOB, bytes([number])) for number in range(5)]
    assert [bob.open(one, now=0.0).payload[0] for one in reversed(datagrams)] == [4, 3, 2, 1, 0]
    for one in datagrams:
        with pytest.raises(SealError):
            bob.open(one, now=0.0)


def test_the_answer_is_said_again_until_the_other_side_shows_that_it_knows(
    alice: SessionTable, bob: SessionTable
) -> None:
    bob.open(sent(alice, BOB, b"1"), now=0.0)
    answers = [sent(bob, ALICE, bytes([number])) for number in range(3)]
    assert [one[0] for one in answers] == [Kind.ANSWER] * 3
    assert [alice.open(one, now=0.0).payload for one in reversed(answers)] == [b"\2", b"\1", b"\0"]


def test_an_opening_that_says_nothing_is_answered_at_once(
    alice: SessionTable, bob: SessionTable
) -> None:
    (hail,) = alice.hail(BOB.public, now=0.0)
    opened = bob.open(hail, now=0.0)
    assert opened.payload == b"" and opened.is_return and opened.answer is not None
    assert len(opened.answer) <= len(hail)
    assert alice.open(opened.answer, now=0.0)[:2] == (BOB.public, b"")
    assert sent(alice, BOB, b"x")[0] == Kind.SEALED
    assert alice.hail(BOB.public, now=0.0) == []


@given(st.binary(max_size=1_100))
@settings(max_examples=30)
def test_whatever_is_said_is_read(payload: bytes) -> None:
    alice, bob = table(ALICE), table(BOB)
    assert bob.open(sent(alice, BOB, payload), now=0.0).payload == payload
    assert alice.open(sent(bob, ALICE, payload), now=0.0).payload == payload
    assert bob.open(sent(alice, BOB, payload), now=0.0).payload == payload


# --- who may, and what is not genuine


def test_nobody_whom_we_do_not_know_opens_anything_nor_do_we(
    alice: SessionTable, bob: SessionTable
) -> None:
    eve = table(EVE)
    with pytest.raises(SealError):
        bob.open(sent(eve, BOB, b"x"), now=0.0)
    with pytest.raises(SealError):
        alice.seal(EVE.public, b"x", now=0.0)
    with pytest.raises(SealError):
        alice.open(sent(alice, BOB, b"x"), now=0.0)  # our own, sent back to us


def test_an_opening_is_for_those_who_hold_the_same_context() -> None:
    alice, bob = (
        table(ALICE, context_of=lambda _: b"this time"),
        table(BOB, context_of=lambda _: b"last time"),
    )
    with pytest.raises(SealError):
        bob.open(sent(alice, BOB, b"x"), now=0.0)


def test_no_proof_costs_no_key_agreement(
    alice: SessionTable, bob: SessionTable, monkeypatch: Any
) -> None:
    bob.open(sent(alice, BOB, b"x"), now=0.0)
    forged = bytearray(sent(table(ALICE, first_number=9), BOB, b"y"))
    forged[60] ^= 1  # of the ephemeral key
    monkeypatch.setattr("chatapp.wire.sessions.opening.AgreementKey", None)
    monkeypatch.setattr("chatapp.wire.sessions.opening.HandshakeState.read_first", None)
    with pytest.raises(SealError, match="proof"):
        bob.open(bytes(forged), now=0.0)


@pytest.mark.parametrize("which", range(3))
def test_no_datagram_opens_that_was_touched_and_what_was_said_still_does(which: int) -> None:
    alice, bob = table(ALICE), table(BOB)
    datagram, reader = sent(alice, BOB, b"first"), bob
    if which > 0:
        bob.open(datagram, now=0.0)
        datagram, reader = sent(bob, ALICE, b"second"), alice
    if which > 1:
        alice.open(datagram, now=0.0)
        datagram, reader = sent(alice, BOB, b"third"), bob
    for touched in [*all_flips(datagram), *all_cuts(datagram), datagram + b"\0"]:
        with pytest.raises(WireError):
            reader.open(touched, now=0.0)
    assert reader.open(datagram, now=0.0).payload in (b"first", b"second", b"third")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_without_a_fault(data: bytes) -> None:
    bob = table(BOB)
    for prefix in (b"", *(bytes((kind,)) for kind in Kind), bytes((Kind.OPENING,)) + ALICE.public):
        with pytest.raises(WireError):
            bob.open(prefix + data, now=0.0)
    assert len(bob) == 0 and bob.next_timer() is None


def test_an_invalid_key_is_refused() -> None:
    for bad in (bytes(32), b"\1" + bytes(31), b"\xff" * 32, b"short"):
        with pytest.raises(SealError):
            agreement_half(bad)


# --- repeats


def test_an_old_opening_is_refused(alice: SessionTable, bob: SessionTable) -> None:
    first = sent(alice, BOB, b"1")
    bob.open(first, now=0.0)
    later = sent(alice, BOB, b"2", now=OPENING_LASTS_FOR)
    assert later[1:41] != first[1:41]
    opened = bob.open(later, now=3.0)
    assert opened.payload == b"2" and opened.is_newest
    with pytest.raises(SealError):
        bob.open(first, now=3.0)


def test_an_opening_that_was_taken_is_none_after_a_restart_either(alice: SessionTable) -> None:
    taken: dict[bytes, int] = {}
    first = sent(alice, BOB, b"1")
    table(BOB, opening_taken=taken.__setitem__).open(first, now=0.0)
    bob = table(BOB)
    for identity, number in taken.items():
        bob.restore(identity, number)
    with pytest.raises(SealError):
        bob.open(first, now=0.0)
    restarted = table(ALICE, first_number=1)
    assert bob.open(sent(restarted, BOB, b"2"), now=0.0).payload == b"2"


def test_a_restored_side_is_told_above_which_number_to_open(bob: SessionTable) -> None:
    """Clause 5.2: "sends an opening of its own to the address from which that opening came. This opening carries
    **LastOpening**"."""
    lost = table(ALICE, first_number=500)
    bob.open(sent(lost, BOB, b"lost"), now=0.0)
    again = table(ALICE, first_number=100)
    with pytest.raises(OldOpening) as told:
        bob.open(sent(again, BOB, b"again", now=SILENT_AFTER), now=SILENT_AFTER)
    assert told.value.number == 500
    again.open_above(BOB.public, told.value.number)
    assert (
        bob.open(sent(again, BOB, b"again", now=SILENT_AFTER), now=SILENT_AFTER).payload == b"again"
    )


def test_a_belated_copy_and_a_forgery_are_told_nothing(
    alice: SessionTable, bob: SessionTable
) -> None:
    first = sent(alice, BOB, b"a")
    bob.open(first, now=0.0)
    later = OPENING_LASTS_FOR
    bob.open(sent(alice, BOB, b"b", now=later), now=later)
    no_proof = first[:81] + bytes((first[81] ^ 1,)) + first[82:]
    for datagram, at in ((first, later + SILENT_AFTER - 0.1), (no_proof, later + SILENT_AFTER)):
        with pytest.raises(SealError) as refused:
            bob.open(datagram, now=at)
        assert not isinstance(refused.value, OldOpening)


def test_copies_of_an_opening_use_up_nothing_that_the_next_one_needs(
    alice: SessionTable, bob: SessionTable
) -> None:
    first = sent(alice, BOB, b"a")
    bob.open(first, now=0.0)
    bob.handle_timer(now=ERASE_AFTER)
    for _ in range(3 * OPENINGS_BURST):
        with pytest.raises(OldOpening):
            bob.open(first, now=ERASE_AFTER)
    later = sent(alice, BOB, b"b", now=ERASE_AFTER)
    assert bob.open(later, now=ERASE_AFTER).payload == b"b"


def test_an_opening_for_a_stranger_leaves_the_session_and_its_renewal_as_they_are(
    alice: SessionTable, bob: SessionTable
) -> None:
    meet(alice, bob)
    told = alice.seal_opening(BOB.public, b"told", now=1.0)
    assert sent(alice, BOB, b"x", now=1.0)[0] == Kind.SEALED
    again = alice.seal_opening(BOB.public, b"told", now=RENEW_AFTER)
    assert told[0] == again[0] == Kind.OPENING
    assert [data[0] for data in alice.seal(BOB.public, b"x", now=RENEW_AFTER)] == [
        Kind.SEALED,
        Kind.OPENING,
    ]
    assert bob.open(again, now=RENEW_AFTER).payload == b"told"


@pytest.mark.parametrize("number", [0, 98, OPENING_MAX, 2**63 - 1])
def test_what_nobody_can_have_taken_changes_no_opening(bob: SessionTable, number: int) -> None:
    alice = table(ALICE, first_number=100)
    first = sent(alice, BOB, b"a")
    alice.open_above(BOB.public, number)
    again = sent(alice, BOB, b"b")
    assert again[33:41] == first[33:41] == (100).to_bytes(8, "big")


def test_one_who_opens_again_and_again_is_heeded_so_often(bob: SessionTable) -> None:
    def taken(now: float) -> int:
        count = 0
        for number in range(2 * OPENINGS_BURST):
            opening = sent(table(ALICE, first_number=int(now * 1_000) + number), BOB, b"x")
            with contextlib.suppress(SealError):
                count += bob.open(opening, now=now).payload == b"x"
        return count

    assert taken(0.0) == OPENINGS_BURST
    assert taken(5.0) == 5


def test_a_crowd_at_one_address_is_heeded_so_often_and_keeps_nobody_out(bob: SessionTable) -> None:
    """The first opening of each in a while is heeded; for more of them the crowd shares what its
    network may ask."""
    crowd = [Identity(bytes([9, number]) * 16) for number in range(100)]
    burst = int(OPENINGS_PER_NETWORK_BURST)
    bob = table(BOB, context_of=lambda _: b"")

    def taken(source: Address, each: int, *, now: float) -> int:
        count = 0
        for identity in crowd:
            opener = table(identity, context_of=lambda _: b"", first_number=int(now) << 10)
            for number in range(each):
                opening = sent(opener, BOB, b"x", now=now + number * OPENING_LASTS_FOR)
                with contextlib.suppress(SealError):
                    count += bob.open(opening, source=source, now=now).payload == b"x"
        return count

    home, shared = Address("1.1.1.1", 1), Address("6.6.6.6", 6)
    bob._networks.overdraw("6.6.6.6", burst - 50, now=0.0)
    assert taken(shared, 2, now=0.0) == 100 + 50
    assert taken(shared, 1, now=1.0) == 100
    assert taken(shared, 3, now=1.0) == 100
    assert taken(home, 1, now=2.0) == 100, "another network"
    alice = table(ALICE, context_of=lambda _: b"")
    assert bob.open(sent(alice, BOB, b"y", now=2.0), source=shared, now=2.0).payload == b"y"


def test_only_the_newest_datagram_says_how_things_are_now(
    alice: SessionTable, bob: SessionTable
) -> None:
    early = [sent(alice, BOB, b"1"), sent(alice, BOB, b"2")]
    assert bob.open(early[1], now=0.0).is_newest
    assert not bob.open(early[0], now=0.0).is_newest
    alice.open(sent(bob, ALICE, b"x"), now=0.0)
    held = sent(alice, BOB, b"3")
    assert bob.open(sent(alice, BOB, b"4"), now=0.0).is_newest
    assert not bob.open(held, now=0.0).is_newest
    old = sent(alice, BOB, b"5")
    restarted = table(ALICE, first_number=1_000)
    assert bob.open(sent(restarted, BOB, b"6"), now=0.0).is_newest
    assert not bob.open(old, now=0.0).is_newest


def test_what_comes_with_an_answer_is_newer_than_what_came_before_the_opening(
    alice: SessionTable, bob: SessionTable
) -> None:
    alice.open(sent(bob, ALICE, b"an opening"), now=0.0)
    bob.open(sent(alice, BOB, b"an answer"), now=0.0)
    assert alice.open(sent(bob, ALICE, b"1"), now=0.0).is_newest
    held = sent(bob, ALICE, b"held")
    opening = alice.seal(BOB.public, b"2", now=RENEW_AFTER)[-1]
    bob.open(opening, now=RENEW_AFTER)
    assert alice.open(sent(bob, ALICE, b"3", now=RENEW_AFTER), now=RENEW_AFTER).is_newest
    assert not alice.open(held, now=RENEW_AFTER).is_newest


# --- restarts


def test_a_restarted_side_goes_on_at_once(alice: SessionTable, bob: SessionTable) -> None:
    meet(alice, bob)
    anew = table(ALICE, first_number=100)
    opened = bob.open(sent(anew, BOB, b"I am back"), now=10.0)
    assert opened.payload == b"I am back" and opened.is_return
    assert anew.open(sent(bob, ALICE, b"welcome", now=10.0), now=10.0).payload == b"welcome"


def test_a_side_without_an_answer_opens_again(alice: SessionTable, bob: SessionTable) -> None:
    meet(alice, bob)
    anew = table(BOB)
    lost = sent(alice, BOB, b"x", now=10.0)
    with pytest.raises(SealError):
        anew.open(lost, now=10.0)
    alice.doubt(BOB.public, now=10.0)
    again = sent(alice, BOB, b"x", now=11.0)
    assert again[0] == Kind.OPENING
    assert anew.open(again, now=11.0).payload == b"x"


def test_whose_datagrams_still_come_is_not_doubted(alice: SessionTable, bob: SessionTable) -> None:
    meet(alice, bob)
    alice.doubt(BOB.public, now=SILENT_AFTER / 2)
    assert sent(alice, BOB, b"x")[0] == Kind.SEALED
    alice.doubt(BOB.public, now=SILENT_AFTER)
    alice.open(sent(bob, ALICE, b"here", now=1.0), now=1.0)
    assert sent(alice, BOB, b"x", now=1.0)[0] == Kind.SEALED
    alice.doubt(BOB.public, now=1.0 + SILENT_AFTER)
    assert sent(alice, BOB, b"x", now=1.0)[0] == Kind.OPENING


def test_two_who_open_at_once_come_to_share_one_session(
    alice: SessionTable, bob: SessionTable
) -> None:
    from_alice, from_bob = sent(alice, BOB, b"a"), sent(bob, ALICE, b"b")
    assert alice.open(from_bob, now=0.0).payload == b"b"
    assert bob.open(from_alice, now=0.0).payload == b"a"
    for number in range(4):
        payload = bytes([number])
        assert bob.open(sent(alice, BOB, payload, now=0.1), now=0.1).payload == payload
        assert alice.open(sent(bob, ALICE, payload, now=0.1), now=0.1).payload == payload
    assert sent(alice, BOB, b"x")[0] == sent(bob, ALICE, b"x")[0] == Kind.SEALED
    assert len(alice) == len(bob) == 1


# --- renewal and erasure


def test_a_session_in_use_is_renewed_and_the_old_one_opens_a_while_longer(
    alice: SessionTable, bob: SessionTable
) -> None:
    meet(alice, bob)
    held = sent(alice, BOB, b"held", now=RENEW_AFTER - 1)
    too_late = sent(alice, BOB, b"too late", now=RENEW_AFTER - 1)
    carried, opening = alice.seal(BOB.public, b"x", now=RENEW_AFTER)
    assert (carried[0], opening[0]) == (Kind.SEALED, Kind.OPENING)
    assert bob.open(carried, now=RENEW_AFTER).payload == b"x"
    opened = bob.open(opening, now=RENEW_AFTER)
    assert opened.answer is not None and not opened.is_return
    alice.open(opened.answer, now=RENEW_AFTER)
    new = sent(alice, BOB, b"new", now=RENEW_AFTER)
    assert new[:9] != carried[:9]
    bob.open(new, now=RENEW_AFTER)
    assert bob.open(held, now=RENEW_AFTER + 50).payload == b"held"
    bob.handle_timer(now=RENEW_AFTER + REPLACED_LASTS_FOR)
    with pytest.raises(SealError):
        bob.open(too_late, now=RENEW_AFTER + REPLACED_LASTS_FOR)


def test_a_renewal_that_goes_unanswered_is_asked_for_again_and_holds_nothing_up(
    alice: SessionTable, bob: SessionTable
) -> None:
    meet(alice, bob)
    kinds = []
    for step in range(30):
        now = RENEW_AFTER + step / 10
        kinds.append([one[0] for one in alice.seal(BOB.public, b"x", now=now)])
    assert kinds.count([Kind.SEALED, Kind.OPENING]) == 3
    assert kinds.count([Kind.SEALED]) == 27


def test_a_session_is_renewed_after_so_many_datagrams(
    alice: SessionTable, bob: SessionTable, monkeypatch: Any
) -> None:
    assert RENEW_AFTER_DATAGRAMS == 2**20
    monkeypatch.setattr("chatapp.wire.sessions.session.RENEW_AFTER_DATAGRAMS", 5)
    meet(alice, bob)
    counts = [len(alice.seal(BOB.public, b"x", now=1.0)) for _ in range(7)]
    assert counts == [1, 1, 1, 1, 1, 2, 1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("say", "hear", "doubt", "restart")),
            st.integers(0, 12),
            st.sampled_from((0.0, 0.3, 2.0, 30.0, 61.0)),
        ),
        max_size=12,
    )
)
def test_payloads_are_sealed_together_as_they_are_one_by_one(
    steps: list[tuple[str, int, float]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatapp.wire.sessions.session.RENEW_AFTER_DATAGRAMS", 7)
        assert conversation(steps, together=True) == conversation(steps, together=False)


def conversation(steps: list[tuple[str, int, float]], *, together: bool) -> list[object]:
    """What Alice seals for Bob, who answers now and then."""
    rng = random.Random(1)
    alice, bob = (SessionTable(one, rng=rng, context_of=KNOWN.get) for one in (ALICE, BOB))
    seen: list[object] = []
    now = 0.0
    for action, count, span in steps:
        now += span
        alice.handle_timer(now=now)
        bob.handle_timer(now=now)
        payloads = [bytes([number]) for number in range(count)]
        if action == "doubt":
            alice.doubt(BOB.public, now=now)
        elif action == "restart":
            alice.doubt(BOB.public, now=now + SILENT_AFTER)
        elif together:
            datagrams = alice.seal_all(BOB.public, payloads, now=now)
        else:
            datagrams = [one for each in payloads for one in alice.seal(BOB.public, each, now=now)]
        if action in ("say", "hear"):
            seen.append(datagrams)
        for datagram in datagrams if action == "hear" else ():
            with contextlib.suppress(WireError):  # an opening that was replaced
                answer = (
                    bob.open(datagram, now=now).answer or bob.seal(ALICE.public, b"yes", now=now)[0]
                )
                seen.append(alice.open(answer, now=now))
    return seen


def test_a_session_that_is_not_renewed_is_erased(alice: SessionTable, bob: SessionTable) -> None:
    meet(alice, bob)
    late = sent(alice, BOB, b"late")
    assert alice.next_timer() is not None
    for one in (alice, bob):
        one.handle_timer(now=ERASE_AFTER)
        assert len(one) == 0 and one.next_timer() is None
    with pytest.raises(SealError):
        bob.open(late, now=ERASE_AFTER)
    assert bob.open(sent(alice, BOB, b"anew", now=ERASE_AFTER), now=ERASE_AFTER).payload == b"anew"


def test_a_late_timer_lets_nothing_be_sealed_with_keys_that_are_due(
    alice: SessionTable, bob: SessionTable
) -> None:
    meet(alice, bob)
    assert sent(alice, BOB, b"x", now=ERASE_AFTER)[0] == Kind.OPENING


def keys_of(table: SessionTable) -> set[str]:
    """The secret keys of all sessions and openings, in hexadecimal (so that the question itself
    does not hold them)."""
    slots = ("_seal_key", "_open_key", "_early_key")
    keys = set()
    for _, _, pair, thing in table._ends:
        for holder in (thing, getattr(thing, "heard", None)):
            keys |= {getattr(holder, slot).hex() for slot in slots if getattr(holder, slot, b"")}
        del holder, thing, pair
    return keys


def test_erased_keys_are_nowhere_in_memory(alice: SessionTable, bob: SessionTable) -> None:
    keys: set[str] = set()
    for now in (
        0.0,
        200.0,
        320.0,
        440.0,
    ):  # a session that ends, a second one, and two renewals of it
        meet(alice, bob, now=now) if now < 300 else None
        if now > 300:
            opening = alice.seal(BOB.public, b"x", now=now)[1]
            answer = bob.open(opening, now=now).answer
            assert answer is not None
            alice.open(answer, now=now)
            bob.open(sent(alice, BOB, b"x", now=now), now=now)
        keys |= keys_of(alice) | keys_of(bob)
        for one in (alice, bob):
            one.handle_timer(now=now + 1)
    assert len(keys) >= 12
    assert keys_in_memory() & keys  # they are found while they are held
    for one in (alice, bob):
        one.handle_timer(now=440.0 + ERASE_AFTER)
        assert len(one.ciphers) == 0
    assert not keys_in_memory() & keys


def test_ciphers_are_bounded_and_made_again() -> None:
    ciphers = Ciphers()
    for number in range(CIPHERS_KEPT + 10):
        ciphers.get(number.to_bytes(32, "big"))
    assert len(ciphers) == CIPHERS_KEPT
    assert ciphers.get(bytes(32)).encrypt(bytes(12), b"x", b"")


def test_a_forgotten_party_shares_nothing_more(alice: SessionTable, bob: SessionTable) -> None:
    meet(alice, bob)
    held = sent(alice, BOB, b"x")
    bob.forget(ALICE.public)
    assert len(bob) == 0 and len(bob.ciphers) == 0
    with pytest.raises(SealError):
        bob.open(held, now=0.0)


def test_after_a_new_registration_the_previous_session_is_read_for_a_while(
    bob: SessionTable,
) -> None:
    contexts = {ALICE.public: b"1", BOB.public: b"1"}
    alice, bob = (table(one, context_of=lambda key: contexts.get(key)) for one in (ALICE, BOB))
    meet(alice, bob)
    held, later = sent(alice, BOB, b"held"), sent(alice, BOB, b"later")
    contexts[ALICE.public] = contexts[BOB.public] = b"2"
    for one, other in ((alice, BOB), (bob, ALICE)):
        one.meet_anew(other.public, now=1.0)
    opened = bob.open(held, now=1.0)
    assert opened.payload == b"held" and not opened.is_newest
    back = bob.seal_back(opened.session, b"pong")
    assert back is not None and alice.open(back, now=1.0).payload == b"pong"
    assert bob.open(sent(alice, BOB, b"new", now=1.0), now=1.0).is_newest
    bob.handle_timer(now=1.0 + REPLACED_LASTS_FOR)
    with pytest.raises(SealError):
        bob.open(later, now=61.0)
    assert bob.seal_back(opened.session, b"pong") is None


# --- links


def test_a_links_first_frame_carries_data_and_its_answer_makes_the_link(
    alice: SessionTable, bob: SessionTable
) -> None:
    frame, begun = alice.open_link(BOB.public, b"attach", now=0.0)
    identity, payload, theirs, answer = bob.take_link(frame, now=0.0)
    assert (identity, payload) == (ALICE.public, b"attach")
    ours = begun.answered(answer)
    for text in (b"1", b"2"):
        assert theirs.open(ours.seal(text)) == text
        assert ours.open(theirs.seal(text)) == text
    for one in (ours, theirs):
        one.erase()
    assert len(alice.ciphers) == len(bob.ciphers) == 0


def test_a_links_opening_is_taken_once_and_is_none_of_datagrams(
    alice: SessionTable, bob: SessionTable
) -> None:
    frame, begun = alice.open_link(BOB.public, b"attach", now=0.0)
    with pytest.raises(SealError):
        bob.open(frame, now=0.0)
    answer = bob.take_link(frame, now=0.0)[3]
    with pytest.raises(SealError):
        bob.take_link(frame, now=0.0)
    with pytest.raises(SealError):
        bob.take_link(sent(alice, BOB, b"x"), now=0.0)
    for touched in [*all_flips(answer), *all_cuts(answer)]:
        with pytest.raises(WireError):
            begun.answered(touched)
    begun.answered(answer)
    with pytest.raises(SealError):
        begun.answered(answer)


def test_the_newest_opening_by_one_way_does_not_shut_out_the_other(
    alice: SessionTable, bob: SessionTable
) -> None:
    frame, _ = alice.open_link(BOB.public, b"attach", now=0.0)
    later = sent(alice, BOB, b"x")
    assert isinstance(bob.open(later, now=0.0), Opened)
    assert bob.take_link(frame, now=0.0)[1] == b"attach"


# --- what others learn


def test_what_is_sealed_shows_nothing_of_what_was_said(
    alice: SessionTable, bob: SessionTable
) -> None:
    said = b"what is said here"
    opening = sent(alice, BOB, said)
    assert said not in opening
    assert bob.open(opening, now=0.0).payload == said
    answer = sent(bob, ALICE, said)
    assert said not in answer
    alice.open(answer, now=0.0)
    in_session = sent(alice, BOB, said)
    assert said not in in_session
    eve = table(EVE, context_of=lambda _: b"")
    for datagram in (opening, answer, in_session):
        with pytest.raises(SealError):
            eve.open(datagram, now=0.0)


def test_both_sides_could_have_made_any_datagram_of_a_session(
    alice: SessionTable, bob: SessionTable
) -> None:
    """So a datagram shows nobody else who wrote it."""
    meet(alice, bob)
    assert len(keys_of(alice)) >= 2  # one for each direction
    assert keys_of(alice) <= keys_of(bob)
