"""Gateways: their visitors have limits of their own, and nobody else's."""

import msgspec
import pytest

from chatapp.registry.rules.desk import guests, visitors
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.wire.admission import make_voucher
from chatapp.wire.codec import Kind, decode_register, encode
from chatapp.wire.identity import Identity, fingerprint
from chatapp.wire.limits import DESK_VISITS_PER_ADDRESS, GUESTS_PER_ADDRESS
from chatapp.wire.messages.desk import DeskRefusal, DeskRefused, PositionReported
from chatapp.wire.messages.registration import RefusalReason, Refused, Welcome
from tests.registry.rules.desk.help_desk import HelpDesk

GATEWAY, OTHER = Identity(b"g" * 32), Identity(b"o" * 32)
HOST = "10.9.9.9"
LISTED = AccessSettings(gateways=(fingerprint(GATEWAY.public),))


@pytest.fixture
def listed_desk() -> HelpDesk:
    return HelpDesk(access=LISTED)


def test_three_hundred_visitors_of_one_address_come_through_one_gateway(
    listed_desk: HelpDesk,
) -> None:
    crowd = [listed_desk.joined(host=HOST, gateway=GATEWAY) for _ in range(300)]
    assert [one.last(PositionReported).position for one in crowd] == list(range(1, 301))
    # They leave the limits of their address alone.
    direct = listed_desk.joined(host=HOST)
    assert direct.last(PositionReported).position == 301
    assert not direct.last_shown.is_vouched
    assert crowd[0].last_shown.is_vouched


@pytest.mark.parametrize("gateway", [None, OTHER], ids=["no gateway", "unknown gateway"])
def test_without_a_known_gateway_one_address_counts(
    listed_desk: HelpDesk, gateway: Identity | None
) -> None:
    for _ in range(DESK_VISITS_PER_ADDRESS):
        listed_desk.joined(host=HOST, gateway=gateway).last(PositionReported)
    refused = listed_desk.joined(host=HOST, gateway=gateway)
    assert refused.last(DeskRefused).reason is DeskRefusal.ADDRESS_FULL
    assert not refused.last_shown.is_vouched
    for _ in range(GUESTS_PER_ADDRESS - DESK_VISITS_PER_ADDRESS - 1):
        assert isinstance(listed_desk.rig.peer("", host=HOST).register(), Welcome)
    answer = listed_desk.rig.peer("", host=HOST).register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.ADDRESS_FULL


def test_a_gateway_has_limits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With smaller numbers, since the real ones take a while."""
    monkeypatch.setattr(guests, "DESK_VISITS_PER_GATEWAY", 2)
    monkeypatch.setattr(guests, "GUESTS_PER_GATEWAY", 3)
    help_desk = HelpDesk(
        access=AccessSettings(gateways=(fingerprint(GATEWAY.public), fingerprint(OTHER.public)))
    )
    for host in ("10.0.1.1", "10.0.1.2"):
        help_desk.joined(host=host, gateway=GATEWAY).last(PositionReported)
    third = help_desk.joined(host="10.0.1.3", gateway=GATEWAY)
    assert third.last(DeskRefused).reason is DeskRefusal.GATEWAY_FULL
    fourth = help_desk.rig.peer("", host="10.0.1.4")
    fourth.gateway = GATEWAY
    answer = fourth.register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.VISITORS_FULL
    # Another gateway at the same addresses has its own limits, and so have visitors without one.
    assert help_desk.joined(host="10.0.1.1", gateway=OTHER).last(PositionReported).position == 3
    assert help_desk.joined(host="10.0.1.1").last(PositionReported).position == 4


def test_visits_through_a_gateway_do_not_begin_faster_than_its_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visitors, "DESK_JOINS_PER_GATEWAY_BURST", 2.0)
    help_desk = HelpDesk(access=LISTED)
    for _ in range(2):
        help_desk.joined(gateway=GATEWAY).last(PositionReported)
    assert help_desk.joined(gateway=GATEWAY).last(DeskRefused).reason is DeskRefusal.TOO_FAST
    assert help_desk.joined().last(PositionReported).position == 3


def test_a_guest_stays_counted_as_when_it_came_first(listed_desk: HelpDesk) -> None:
    """A key that came through the gateway cannot use up the places of an address, nor the other way
    round."""
    asha = listed_desk.joined(host=HOST, gateway=GATEWAY)
    asha.drop()
    asha.peer.gateway = None
    asha.come_back()
    assert asha.last_shown.is_vouched
    direct = listed_desk.joined(host=HOST)
    direct.drop()
    direct.peer.gateway = GATEWAY
    direct.come_back()
    assert not direct.last_shown.is_vouched


def test_visits_are_counted_with_their_gateway_after_a_restart(listed_desk: HelpDesk) -> None:
    crowd = [listed_desk.joined(host=HOST, gateway=GATEWAY) for _ in range(DESK_VISITS_PER_ADDRESS)]
    listed_desk.restart()
    for one in crowd:
        one.come_back()
    assert (
        listed_desk.joined(host=HOST).last(PositionReported).position == DESK_VISITS_PER_ADDRESS + 1
    )


def test_a_forged_voucher_lets_nobody_in(listed_desk: HelpDesk) -> None:
    thief = listed_desk.rig.peer("", host=HOST)
    cookie = thief.hello()
    recorded = make_voucher(
        GATEWAY, registry=listed_desk.rig.identity.public, nonce=b"n" * 16, identity=thief.id
    )
    thief.gateway = GATEWAY
    good = decode_register(thief.register_bytes(cookie)[1:])
    forged = msgspec.structs.replace(good, voucher=recorded)
    listed_desk.rig.receive(bytes((Kind.REGISTER,)) + encode(forged), thief.address)
    assert thief.answer() is None
    assert listed_desk.rig.core.dropped[DropReason.BAD_REGISTER_SIGNATURE] == 1


def test_a_voucher_for_another_attempt_is_dropped(
    listed_desk: HelpDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visitor signs the whole REGISTER, and still the voucher has to be for it."""

    def recorded(gateway: Identity, *, registry: bytes, nonce: bytes, identity: bytes) -> bytes:
        return make_voucher(gateway, registry=registry, nonce=nonce[::-1], identity=identity)

    monkeypatch.setattr("chatapp.wire.admission.make_voucher", recorded)
    thief = listed_desk.rig.peer("", host=HOST)
    thief.gateway = GATEWAY
    assert thief.register() is None
    assert listed_desk.rig.core.dropped[DropReason.BAD_VOUCHER] == 1


def test_a_banned_gateway_lets_nobody_in_and_others_stay(listed_desk: HelpDesk) -> None:
    through, direct = listed_desk.joined(host=HOST, gateway=GATEWAY), listed_desk.joined(host=HOST)
    banned = AccessSettings(gateways=LISTED.gateways, ban=(fingerprint(GATEWAY.public),))
    assert listed_desk.rig.core.change_lists(AccessLists(banned), now=listed_desk.rig.now) == 1
    listed_desk.rig.turn()
    assert through.peer.link in listed_desk.rig.closed
    assert direct.peer.link not in listed_desk.rig.closed
    answer = through.peer.register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.GATEWAY_BANNED
    listed_desk.advance(0.2)
    assert direct.last(PositionReported).position == 1


def test_a_gateway_is_listed_and_taken_off_while_the_registry_runs() -> None:
    help_desk = HelpDesk()
    assert not help_desk.visitor(gateway=GATEWAY).last_shown.is_vouched
    help_desk.rig.core.change_lists(AccessLists(LISTED), now=help_desk.rig.now)
    assert help_desk.visitor(gateway=GATEWAY).last_shown.is_vouched
    help_desk.rig.core.change_lists(AccessLists(AccessSettings()), now=help_desk.rig.now)
    assert not help_desk.visitor(gateway=GATEWAY).last_shown.is_vouched


def test_the_voucher_of_somebody_with_a_name_changes_nothing(listed_desk: HelpDesk) -> None:
    alice = listed_desk.rig.peer("alice")
    alice.gateway = GATEWAY
    assert isinstance(alice.register(), Welcome)
