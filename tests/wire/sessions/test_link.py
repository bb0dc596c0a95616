"""The session of a link: frames open in order and once, no bit of them can be changed, and its keys
are renewed."""

import copy
from collections import deque
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire import sealing
from chatapp.wire.codec import Kind
from chatapp.wire.errors import SealError
from chatapp.wire.sessions.link import RENEW_AFTER_FRAMES, LinkSession
from chatapp.wire.sessions.opening import MESSAGE_OVERHEAD
from tests.support.memory import keys_in_memory
from tests.support.tampering import all_cuts, all_flips, tampered
from tests.wire.parties import ALICE, EVE, REGISTRY, linked, payloads, table

RENEWAL = bytes((Kind.RENEWAL,))


def link_opens(session: LinkSession, frame: bytes) -> bool:
    """Return whether a session opens a frame of any kind."""
    try:
        take(session, frame)
    except SealError:
        return False
    return True


def take(session: LinkSession, frame: bytes) -> bytes | None:
    """Return the payload of a frame; None for a frame of a renewal."""
    if frame[:1] == RENEWAL:
        session.renewal_came(frame)
        return None
    return session.open(frame)


def renew(peer: LinkSession, registry: LinkSession) -> None:
    """Renew the keys, with nothing between the frames."""
    last = peer.renewal_came(registry.renewal_came(peer.renew()))
    assert registry.renewal_came(last) == b""


# --- frames


@given(st.lists(st.tuples(st.booleans(), payloads), max_size=12))
def test_a_link_carries_both_ways_in_order(sent: list[tuple[bool, bytes]]) -> None:
    peer, registry = linked()
    for is_up, payload in sent:
        here, there = (peer, registry) if is_up else (registry, peer)
        assert there.open(here.seal(payload)) == payload


def test_frames_of_a_link_open_in_order_only_and_once() -> None:
    peer, registry = linked()
    first, second = peer.seal(b"1"), peer.seal(b"2")
    assert not link_opens(registry, second)
    assert registry.open(first) == b"1"
    assert not link_opens(registry, first)
    assert registry.open(second) == b"2"


def test_not_one_bit_of_a_frame_can_be_changed_and_none_of_it_cut() -> None:
    peer, registry = linked()
    frame = peer.seal(b"the request")
    assert not any(link_opens(registry, changed) for changed in all_flips(frame))
    assert not any(link_opens(registry, cut) for cut in all_cuts(frame))
    assert registry.open(frame) == b"the request"


def test_a_frame_does_not_open_at_its_own_sender() -> None:
    peer, registry = linked()
    assert not link_opens(peer, peer.seal(b""))
    assert not link_opens(registry, registry.seal(b""))


def test_a_recorded_link_fits_no_later_one() -> None:
    recorded = linked(1)[0].seal(b"")
    assert not link_opens(linked(2)[1], recorded)


def test_an_erased_link_opens_nothing_more() -> None:
    peer, registry = linked()
    frame = peer.seal(b"")
    registry.erase()
    with pytest.raises(ValueError, match="key"):
        registry.open(frame)


def test_an_answer_that_does_not_open_leaves_no_key_behind() -> None:
    here, there = table(ALICE, 1), table(REGISTRY, 2)
    first, begun = here.open_link(REGISTRY.public, b"attach", now=0.0)
    answer = there.take_link(first, now=0.0)[3]
    with pytest.raises(SealError):
        begun.answered(answer[:-1] + bytes((answer[-1] ^ 1,)))
    assert len(here.ciphers) == 0
    begun.answered(answer)


# --- renewals


class Line:
    """Both ends, the frames in transit in each direction, and the payloads read."""

    def __init__(self, seed: int = 1) -> None:
        self.peer, self.registry = linked(seed)
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.all_up: list[bytes] = []
        self.all_down: list[bytes] = []
        self.read_above: list[bytes] = []
        self.read_below: list[bytes] = []
        self.renewals = 0

    def _send_up(self, frame: bytes) -> None:
        self.up.append(frame)
        self.all_up.append(frame)

    def _send_down(self, frame: bytes) -> None:
        self.down.append(frame)
        self.all_down.append(frame)

    def do(self, what: str, payload: bytes) -> None:
        if what == "say":
            self._send_up(self.peer.seal(payload))
        elif what == "tell":
            self._send_down(self.registry.seal(payload))
        elif what == "renew":
            if not self.peer.is_renewing:
                self._send_up(self.peer.renew())
        elif what == "rise" and self.up:
            frame = self.up.popleft()
            if frame[0] != Kind.RENEWAL:
                self.read_above.append(self.registry.open(frame))
            elif answer := self.registry.renewal_came(frame):
                self._send_down(answer)
            else:
                self.renewals += 1
        elif what == "fall" and self.down:
            frame = self.down.popleft()
            if frame[0] == Kind.RENEWAL:
                self._send_up(self.peer.renewal_came(frame))
            else:
                self.read_below.append(self.peer.open(frame))

    def settle(self) -> None:
        """Deliver all frames in transit."""
        while self.up or self.down:
            self.do("rise", b"")
            self.do("fall", b"")


deeds = st.lists(
    st.tuples(st.sampled_from(("say", "tell", "renew", "rise", "fall", "rise", "fall")), payloads),
    max_size=60,
)


@given(deeds)
def test_all_frames_arrive_in_order_through_renewals_whatever_is_on_its_way(
    script: list[tuple[str, bytes]],
) -> None:
    line = Line()
    for what, payload in script:
        line.do(what, payload)
    line.settle()
    assert line.read_above == [payload for what, payload in script if what == "say"]
    assert line.read_below == [payload for what, payload in script if what == "tell"]
    assert (line.renewals > 0) is ("renew" in [what for what, _ in script])
    assert not line.peer.is_renewing


def test_a_renewal_gives_both_directions_other_keys() -> None:
    peer, registry = linked()
    seen = set()
    for _ in range(3):
        assert (peer._seal_key, peer._open_key) == (registry._open_key, registry._seal_key)
        assert peer._binding == registry._binding
        seen |= {peer._seal_key, peer._open_key, peer._binding}
        renew(peer, registry)
    assert len(seen) == 9


@pytest.mark.parametrize("is_up", [True, False])
@given(st.data())
def test_a_frame_that_is_skipped_repeated_replayed_or_changed_does_not_open(
    is_up: bool, data: st.DataObject
) -> None:
    line = Line()
    frames = line.all_up if is_up else line.all_down
    held = line.up if is_up else line.down
    for what, payload in data.draw(deeds):
        line.do(what, payload)
    for _ in range(2):
        line.do("say" if is_up else "tell", b"x")
    reader, first = line.registry if is_up else line.peer, held[0]
    how = data.draw(st.sampled_from(("change", "repeat", "another")))
    if how == "change":
        strange = data.draw(tampered(first))
    elif how == "repeat":
        strange = first
        take(reader, first)
    else:  # an earlier or a later one
        strange = data.draw(st.sampled_from([frame for frame in frames if frame is not first]))
    with pytest.raises(SealError):
        take(reader, strange)


def test_the_last_frame_under_an_old_key_cannot_be_withheld_unnoticed() -> None:
    line = Line()
    line.do("say", b"one")
    withheld = line.up.pop()
    first = line.peer.renew()
    with pytest.raises(SealError):
        line.registry.renewal_came(first)
    assert line.registry.open(withheld) == b"one"
    last = line.peer.renewal_came(line.registry.renewal_came(first))
    behind = line.peer.seal(b"under the new key")
    with pytest.raises(SealError):
        line.registry.open(behind)
    line.registry.renewal_came(last)
    assert line.registry.open(behind) == b"under the new key"


@pytest.mark.parametrize(
    "size", [0, 1, MESSAGE_OVERHEAD - 1, MESSAGE_OVERHEAD, MESSAGE_OVERHEAD + 1]
)
def test_an_invalid_handshake_message_ends_a_link(size: int) -> None:
    peer, registry = linked()
    with pytest.raises(SealError):
        registry.renewal_came(peer.seal(bytes(size), RENEWAL))
    peer, registry = linked()
    registry.open(peer.renew(), RENEWAL)
    with pytest.raises(SealError):
        peer.renewal_came(registry.seal(bytes(size), RENEWAL))


def test_a_registry_cannot_begin_a_renewal() -> None:
    peer, registry = linked()
    with pytest.raises(SealError):
        peer.renewal_came(registry.seal(bytes(MESSAGE_OVERHEAD), RENEWAL))


def test_a_renewal_cannot_begin_before_the_last_one_is_over() -> None:
    peer, registry = linked()
    first = peer.renew()
    message = copy.copy(registry).open(first, RENEWAL)
    registry.renewal_came(first)
    with pytest.raises(SealError):
        registry.renewal_came(peer.seal(message, RENEWAL))


def test_the_keys_of_a_link_without_an_identity_key_cannot_renew_it() -> None:
    peer, registry = linked()
    thief = copy.copy(peer)
    thief._parties = linked(peer=EVE)[0]._parties
    with pytest.raises(SealError):
        registry.renewal_came(thief.renew())
    peer, registry = linked()
    thief = copy.copy(registry)
    thief._parties = linked(peer=EVE)[1]._parties
    with pytest.raises(SealError):
        thief.renewal_came(peer.renew())


def test_a_renewal_belongs_to_the_handshake_before_it() -> None:
    peer, registry = linked()
    peer._binding = bytes(32)
    with pytest.raises(SealError):
        registry.renewal_came(peer.renew())


def test_keys_open_nothing_from_before_or_after_their_renewals() -> None:
    peer, registry = linked()
    before = peer.seal(b"before")
    early = copy.copy(registry)
    assert registry.open(before) == b"before"
    renew(peer, registry)
    after = peer.seal(b"after")
    late = copy.copy(registry)
    assert registry.open(after) == b"after"
    for thief, frame in ((early, after), (late, before)):
        for count in range(10):
            thief._opened = count
            assert not link_opens(thief, frame)


def test_a_link_is_worn_by_frames_of_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RENEW_AFTER_FRAMES == 2**20
    monkeypatch.setattr("chatapp.wire.sessions.link.RENEW_AFTER_FRAMES", 8)
    peer, registry = linked()  # the registry's answer is the first frame
    for _ in range(3):
        registry.open(peer.seal(b""))
        peer.open(registry.seal(b""))
    worn = [peer.is_worn]
    registry.open(peer.seal(b""))
    assert [*worn, peer.is_worn] == [False, True]
    renew(peer, registry)
    for _ in range(7):
        peer.open(registry.seal(b""))
    worn = [peer.is_worn]
    peer.open(registry.seal(b""))
    assert [*worn, peer.is_worn] == [False, True]


def test_renewed_keys_are_nowhere_in_memory() -> None:
    def keys_of(*sessions: LinkSession) -> set[str]:
        slots = ("_seal_key", "_open_key", "_next_open_key")
        found = {getattr(session, slot).hex() for session in sessions for slot in slots}
        for session in sessions:
            if session._handshake is not None:
                found.add(session._handshake._ephemeral.raw.hex())
                found.add(session._handshake._symmetric.chaining_key.hex())
        return found - {""}

    here, there = table(ALICE, 1), table(REGISTRY, 2)
    first, begun = here.open_link(REGISTRY.public, b"attach", now=0.0)
    _, _, registry, answer = there.take_link(first, now=0.0)
    keys = {begun._begun._early_key.hex()}
    peer = begun.answered(answer)
    for _ in range(3):
        registry.open(peer.seal(b"x"))
        peer.open(registry.seal(b"x"))
        keys |= keys_of(peer, registry)
        asked = peer.renew()
        keys |= keys_of(peer, registry)
        answered = registry.renewal_came(asked)
        keys |= keys_of(peer, registry)
        registry.renewal_came(peer.renewal_came(answered))
    present = keys_of(peer, registry)
    assert len(present) == 2 and len(keys) == 3 + 3 * 4
    assert keys_in_memory() & keys == present  # what is held is found
    assert len(here.ciphers) <= 2 and len(there.ciphers) <= 2
    registry.open(peer.seal(b"x"))
    asked = peer.renew()
    present |= keys_of(peer, registry)
    registry.renewal_came(asked)  # the link ends in the middle of a renewal
    present |= keys_of(peer, registry)
    for one in (peer, registry):
        one.erase()
    assert len(here.ciphers) == len(there.ciphers) == 0
    assert not keys_in_memory() & present


class Counting:
    """A cipher that notes every nonce of every key."""

    def __init__(self, key: bytes, real: Any, used: list[tuple[bytes, bytes]]) -> None:
        self._key, self._real, self._used = key, real(key), used

    def encrypt(self, nonce: bytes, data: bytes, header: bytes) -> bytes:
        self._used.append((self._key, nonce))
        return self._real.encrypt(nonce, data, header)  # type: ignore[no-any-return]

    def decrypt(self, nonce: bytes, data: bytes, header: bytes) -> bytes:
        return self._real.decrypt(nonce, data, header)  # type: ignore[no-any-return]


@given(deeds)
def test_no_counter_is_used_twice_under_one_key(script: list[tuple[str, bytes]]) -> None:
    used: list[tuple[bytes, bytes]] = []
    with pytest.MonkeyPatch.context() as patch:
        real = AESGCM
        patch.setattr(sealing, "AESGCM", lambda key: Counting(key, real, used))
        line = Line()
        for what, payload in script:
            line.do(what, payload)
        line.settle()
    assert len(used) == len(set(used)) == 1 + len(line.all_up) + len(line.all_down)


def test_what_goes_by_a_link_shows_nothing_of_what_was_said() -> None:
    said = b"what is said here"
    here, there = table(ALICE, 1), table(REGISTRY, 2)
    first, _ = here.open_link(REGISTRY.public, said, now=0.0)
    assert said not in first
    _, _, registry, _ = there.take_link(first, now=0.0)
    assert said not in registry.seal(said)
    peer, _ = linked()
    assert said not in peer.seal(said)
