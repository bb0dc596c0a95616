"""Access control: join codes, each valid once whatever crashes; lists and bans."""

import pytest

from chatapp.registry.program.admin.texts import lines_of
from chatapp.registry.rules.admin_requests import Done, MakeInvites
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.registry.store.entries import encode
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.identity import Identity, fingerprint
from chatapp.wire.limits import INVITE_KEPT_FOR, INVITES_MAX
from chatapp.wire.messages.registration import (
    RefusalReason,
    Refused,
    Rename,
    RenameRefused,
    Welcome,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore

CLOSED = AccessSettings(invite_only=True)
CODE, OTHER = (
    JoinCode.generate(bytes([number]) * CODE_BYTES, registry=b"r" * 32) for number in (1, 2)
)


def invited(rig: Rig, *codes: JoinCode) -> str:
    """Let the registry know these codes; return its answer."""
    rig.core.run_admin_request(MakeInvites([code.public for code in codes]), "ticket", now=rig.now)
    rig.turn()
    ((ticket, answer),) = rig.core.take_admin_answers()
    assert ticket == "ticket"
    return "".join(lines_of(answer))


@pytest.fixture
def rig() -> Rig:
    rig = Rig(access=CLOSED)
    assert invited(rig, CODE) == ""
    return rig


def refusal(peer: LinkedPeer, code: JoinCode | None = None) -> RefusalReason | None:
    """Return why they are refused."""
    answer = peer.register(code=code)
    assert answer is not None
    return answer.reason if isinstance(answer, Refused) else None


def test_an_open_registry_uses_up_no_code() -> None:
    rig = Rig()
    invited(rig, CODE)
    assert refusal(rig.peer("bob"), CODE) is None
    rig.access = CLOSED
    rig.restart()
    assert refusal(rig.peer("carol"), CODE) is None


def test_a_newcomer_needs_a_code_and_a_code_lets_one_in(rig: Rig) -> None:
    bob, carol = rig.peer("bob"), rig.peer("carol")
    assert refusal(bob) is RefusalReason.NOT_INVITED
    assert refusal(bob, OTHER) is RefusalReason.BAD_CODE
    assert refusal(bob, CODE) is None
    assert refusal(carol, CODE) is RefusalReason.BAD_CODE


def test_a_registered_name_needs_no_code_also_after_a_restart(rig: Rig) -> None:
    bob = rig.peer("bob")
    assert refusal(bob, CODE) is None
    rig.restart()
    bob.renew()
    assert refusal(bob) is None
    assert refusal(rig.peer("carol"), CODE) is RefusalReason.BAD_CODE


def test_people_without_an_invitation_learn_of_no_name(rig: Rig) -> None:
    assert refusal(rig.peer("bob"), CODE) is None
    assert refusal(rig.peer("bob")) is RefusalReason.NOT_INVITED


def test_a_refused_name_leaves_the_code(rig: Rig) -> None:
    invited(rig, OTHER)
    assert refusal(rig.peer("bob"), CODE) is None
    carol = rig.peer("Bob")
    assert refusal(carol, OTHER) is RefusalReason.NAME_TAKEN
    carol.name = "carol"
    carol.renew()
    assert refusal(carol, OTHER) is None


def test_while_the_name_goes_to_the_disk_nobody_else_gets_the_code(rig: Rig) -> None:
    bob, carol = rig.peer("bob"), rig.peer("carol")
    rig.auto_commit = False
    assert bob.register(code=CODE) is None
    assert carol.register(code=CODE) is None
    rig.commit()
    assert isinstance(bob.answer(), Welcome)
    assert refusal(carol, CODE) is RefusalReason.BAD_CODE


def test_a_name_that_is_not_stored_leaves_the_code(rig: Rig) -> None:
    rig.store.full = True
    assert refusal(rig.peer("bob"), CODE) is RefusalReason.NOT_SERVING
    rig.store.full = False
    assert refusal(rig.peer("carol"), CODE) is None


@pytest.mark.parametrize("is_synced", [False, True])
def test_a_crash_keeps_both_the_name_and_the_used_code_or_neither(
    rig: Rig, is_synced: bool
) -> None:
    bob = rig.peer("bob")
    rig.auto_commit = False
    bob.register(code=CODE)
    rig.hand_over()
    if is_synced:
        rig.store.sync()
    rig.handed = []
    rig.auto_commit = True
    rig.restart()
    carol = rig.peer("carol")
    assert refusal(carol, CODE) is (RefusalReason.BAD_CODE if is_synced else None)
    assert refusal(bob) is (None if is_synced else RefusalReason.NOT_INVITED)


def test_a_stolen_invitation_is_of_no_use(rig: Rig) -> None:
    """A listener puts what bob showed into a REGISTER of their own."""
    bob, eve = rig.peer("bob"), rig.peer("eve")
    shown = CODE.invitation_for(registry=rig.identity.public, nonce=b"n" * 16, identity=bob.id)

    class Stolen(JoinCode):
        def invitation_for(self, **_: bytes) -> bytes:
            return shown

    assert eve.register(code=Stolen(CODE.text)) is None
    assert rig.core.dropped[DropReason.BAD_INVITATION] == 1
    assert refusal(bob, CODE) is None


def test_a_code_expires_also_while_the_registry_is_away(rig: Rig) -> None:
    rig.advance(INVITE_KEPT_FOR - 1)
    invited(rig, OTHER)
    assert refusal(rig.peer("bob"), CODE) is None
    rig.restart(downtime=INVITE_KEPT_FOR + 1)
    assert refusal(rig.peer("carol"), OTHER) is RefusalReason.BAD_CODE
    rig.advance(120)
    assert rig.store.load().invites == [], "what has expired leaves the disk"


def test_the_number_of_codes_is_limited() -> None:
    store = MemoryStore()
    rig = Rig(store, access=CLOSED)
    many = [Identity(number.to_bytes(32)).public for number in range(1, INVITES_MAX)]
    rig.core.run_admin_request(MakeInvites(many), "", now=rig.now)
    rig.turn()
    assert rig.core.take_admin_answers() == [("", Done())]
    assert "there is room for 1" in invited(rig, CODE, OTHER)
    assert invited(rig, CODE) == ""
    assert invited(rig, CODE) == "", "the same once more is no further one"
    assert "there is room for 0" in invited(rig, OTHER)
    assert len(store.load().invites) == INVITES_MAX


def test_listed_keys_need_no_code_and_all_others_do() -> None:
    rig = Rig()
    bob, carol, dave = rig.peer("bob"), rig.peer("carol"), rig.peer("dave")
    rig.access = AccessSettings(allow=(fingerprint(bob.id).upper(), carol.id.hex()))
    rig.restart()
    invited(rig, CODE)
    assert refusal(bob, CODE) is refusal(carol) is None
    assert refusal(dave) is RefusalReason.NOT_INVITED
    assert refusal(dave, CODE) is None, "bob has not used it up"


@pytest.mark.parametrize("what", ["key", "name", "address", "network"])
def test_banned_people_are_refused_whatever_names_or_codes_they_had(what: str) -> None:
    rig = Rig()
    bob = rig.peer("bob", host="10.7.0.5")
    assert refusal(bob) is None
    bans = {
        "key": fingerprint(bob.id),
        "name": "BOB",
        "address": "10.7.0.5",
        "network": "10.7.0.0/16",
    }
    rig.access = AccessSettings(ban=(bans[what],))
    rig.restart()
    bob.renew()
    assert refusal(bob) is RefusalReason.BANNED
    assert refusal(rig.peer("carol", host="10.8.0.5")) is None


def test_nobody_takes_a_banned_name_later() -> None:
    rig = Rig(access=AccessSettings(ban=("root",)))
    bob = rig.member("bob")
    bob.counter += 1
    (answer,) = bob.ask(Rename(5, bob.make_card(name="root")))
    assert answer == RenameRefused(5, RefusalReason.BANNED)


def test_a_closed_registry_serves_visitors_of_its_desk_but_no_banned_ones(rig: Rig) -> None:
    assert refusal(rig.peer("", host="10.9.0.1")) is None
    rig.access = AccessSettings(invite_only=True, ban=("10.9.0.1",))
    rig.restart()
    assert refusal(rig.peer("", host="10.9.0.1")) is RefusalReason.BANNED


def test_a_banned_key_comes_in_by_no_invitation(rig: Rig) -> None:
    bob = rig.peer("bob")
    rig.access = AccessSettings(invite_only=True, ban=(fingerprint(bob.id),))
    rig.restart()
    assert refusal(bob, CODE) is RefusalReason.BANNED
    assert refusal(rig.peer("carol"), CODE) is None


def test_only_the_public_half_of_a_code_is_stored(rig: Rig) -> None:
    (made,) = rig.store.load().invites
    assert made.code == CODE.public
    assert CODE._key.seed not in encode(made)
    assert CODE.text.encode() not in encode(made)
