"""The flooding tool: each kind of flood costs the registry what it is said to cost, and nothing
else."""

from random import Random

import pytest

from chatapp.registry.rules.effects import DropReason
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, decode_cookie
from tests.faults.flooder import SAMPLES, garbage, hello, signed
from tests.registry.rig import Rig

SOMEWHERE = Address("127.0.1.1", 7_000)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_garbage_is_dropped_before_any_key_is_touched(rig: Rig) -> None:
    made = garbage(Random(1))
    for _ in range(SAMPLES):
        rig.receive(made(), SOMEWHERE)
    assert set(rig.core.dropped) == {
        DropReason.UNKNOWN_DATAGRAM_KIND,
        DropReason.MALFORMED_DATAGRAM,
        DropReason.NO_SESSION,
        DropReason.OTHER_VERSION,
    }


@pytest.mark.parametrize("is_forged", [True, False])
def test_forged_registers_get_as_far_as_the_signature(rig: Rig, *, is_forged: bool) -> None:
    rig.receive(hello(Random(1)), SOMEWHERE)
    cookie = decode_cookie(rig.take(SOMEWHERE)[0][1:])
    made = signed(Random(2), cookie, is_forged=is_forged)
    for _ in range(10):
        rig.receive(made(), SOMEWHERE)
    answers = [data[0] for data in rig.take(SOMEWHERE)]
    assert rig.core.dropped == ({DropReason.BAD_REGISTER_SIGNATURE: 10} if is_forged else {})
    assert answers == ([] if is_forged else [Kind.WELCOME] * 10)
