"""Operators are keys: a listed name can be bound with its code only, and stands for the key that
bears it."""

import pytest

from chatapp.registry.rules.admin_requests import AdminRefusal, AdminRefused, ReleaseName
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.identity import fingerprint
from chatapp.wire.limits import NAME_KEPT_FOR
from chatapp.wire.messages.registration import RefusalReason, Refused, Rename, RenameRefused
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore

DESK = DeskSettings(operators=("Bob", "eve"))
WRONG = JoinCode.generate(b"?" * CODE_BYTES, registry=b"r" * 32)


def rig_for(
    store: MemoryStore | None = None, desk: DeskSettings = DESK, *, invite_only: bool = False
) -> Rig:
    return Rig(store, desk=desk, access=AccessSettings(invite_only=invite_only))


def tries(rig: Rig, name: str, code: JoinCode | None = None) -> RefusalReason | None:
    """Return why a newcomer with this code alone is refused under a name."""
    peer = rig.peer(name)
    cookie = peer.hello()
    rig.operator_code = lambda name: None  # type: ignore[method-assign]
    rig.receive(peer.register_bytes(cookie, code=code), peer.address)
    del rig.operator_code
    answer = peer.answer()
    return answer.reason if isinstance(answer, Refused) else None


def code_of(rig: Rig, key: str = "bob") -> JoinCode:
    return rig.core.operators.codes[key]


def includes(rig: Rig, peer: LinkedPeer) -> bool:
    return rig.core.operators.includes(peer.id)


@pytest.mark.parametrize("invite_only", [False, True])
def test_a_listed_name_that_nobody_bears_is_had_with_its_code_and_once(invite_only: bool) -> None:
    rig = rig_for(invite_only=invite_only)
    kept = RefusalReason.NOT_INVITED if invite_only else RefusalReason.KEPT_FOR_OPERATOR
    assert tries(rig, "bob") is kept
    assert tries(rig, "BOB") is kept
    assert tries(rig, "bob", code_of(rig, "eve")) is RefusalReason.BAD_CODE
    assert tries(rig, "bob", WRONG) is RefusalReason.BAD_CODE
    code = code_of(rig)
    bob = rig.peer("bob")
    bob.register(code=code)
    assert includes(rig, bob)
    assert tries(rig, "bob", code) is (
        RefusalReason.BAD_CODE if invite_only else RefusalReason.NAME_TAKEN
    )


def test_what_looks_like_a_kept_name_is_nobodys() -> None:
    rig = rig_for()
    assert tries(rig, "b0b") is RefusalReason.NAME_TAKEN
    assert tries(rig, "B0B", code_of(rig)) is RefusalReason.NAME_TAKEN
    assert tries(rig, "bobby") is None


def test_a_name_whose_look_alike_is_taken_has_no_code() -> None:
    rig = rig_for(desk=DeskSettings())
    rig.peer("b0b").register()
    rig.desk = DESK
    rig.restart()
    assert list(rig.core.operators.codes) == ["eve"]
    assert tries(rig, "bob") is RefusalReason.KEPT_FOR_OPERATOR
    again = rig.peers[0]
    again.renew()
    again.register()
    assert rig.core.engine.hub.directory.person(again.id) is not None


def test_a_name_that_is_borne_means_its_bearer_over_restarts_and_under_other_names() -> None:
    rig = rig_for(desk=DeskSettings())
    bob = rig.member("bob")
    rig.desk = DESK
    rig.restart()
    assert "bob" not in rig.core.operators.codes
    assert rig.core.operators.bearer("bob") == bob.id
    bob.renew()
    bob.register()
    bob.attach()
    bob.name = "robert"
    bob.renew()
    bob.send(Rename(1, bob.card))
    rig.turn()
    assert includes(rig, bob)
    assert rig.core.operators.named("robert") == rig.core.operators.named("bob") == bob.id
    rig.restart()
    assert includes(rig, bob)
    assert tries(rig, "bob") is RefusalReason.NAME_TAKEN


def test_a_name_that_its_bearer_gave_up_for_long_is_kept_again() -> None:
    rig = rig_for()
    code = code_of(rig)
    bob = rig.member("bob")
    bob.name = "robert"
    bob.renew()
    bob.send(Rename(1, bob.card))
    rig.turn()
    bob.is_frozen = True
    rig.advance(NAME_KEPT_FOR + 3_600.0)
    assert rig.core.engine.hub.directory.names.holder("bob") is None
    assert tries(rig, "bob") is RefusalReason.KEPT_FOR_OPERATOR
    assert tries(rig, "bob", code) is RefusalReason.BAD_CODE, "it was used"
    assert includes(rig, bob), "in this life of the registry"
    for name in ("bob", "robert"):
        bob.name = name
        bob.renew()
        bob.register()
    assert rig.core.engine.hub.directory.names.holder("bob") == bob.id, (
        "who bore it last may take it again"
    )
    rig.advance(NAME_KEPT_FOR + 3_600.0)
    assert tries(rig, "bob") is RefusalReason.KEPT_FOR_OPERATOR
    rig.restart()
    assert not includes(rig, bob)
    assert tries(rig, "bob") is RefusalReason.KEPT_FOR_OPERATOR
    assert tries(rig, "bob", code_of(rig)) is None


def test_nobody_takes_a_kept_name_by_a_rename() -> None:
    rig = rig_for()
    carol = rig.member("carol")
    carol.name = "bob"
    carol.renew()
    carol.send(Rename(1, carol.card))
    assert RenameRefused(1, RefusalReason.KEPT_FOR_OPERATOR) in carol.notices()
    assert not includes(rig, carol)


def test_a_code_is_of_one_life_of_the_registry() -> None:
    rig = rig_for()
    before = code_of(rig)
    rig.restart()
    assert tries(rig, "bob", before) is RefusalReason.BAD_CODE
    assert tries(rig, "bob", code_of(rig)) is None


def test_a_name_that_the_disk_did_not_take_is_kept_on() -> None:
    rig = rig_for()
    rig.store.full = True
    assert tries(rig, "bob", code_of(rig)) is RefusalReason.NOT_SERVING
    rig.store.full = False
    assert tries(rig, "bob") is RefusalReason.KEPT_FOR_OPERATOR
    assert tries(rig, "bob", code_of(rig)) is None


def test_an_operator_is_listed_by_key() -> None:
    rig = rig_for(desk=DeskSettings())
    bob, carol = rig.member("bob"), rig.member("carol")
    nameless = rig.peer("dave")
    rig.desk = DeskSettings(operators=(fingerprint(bob.id), fingerprint(nameless.id)))
    rig.restart()
    assert includes(rig, bob)
    assert not includes(rig, carol)
    assert not includes(rig, nameless)
    assert rig.core.operators.codes == {}


def test_an_operators_name_is_not_released_while_it_is_listed() -> None:
    rig = rig_for()
    rig.peer("bob").register()
    rig.core.run_admin_request(ReleaseName("bob"), "ticket", now=rig.now)
    ((_, answer),) = rig.core.take_admin_answers()
    assert isinstance(answer, AdminRefused)
    assert answer.refusal is AdminRefusal.OPERATOR_NAME
