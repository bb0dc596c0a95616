"""The constants of the policy that must agree with each other."""

import pytest

from chatapp.wire.delivery.policy import Policy


def test_spans_follow_from_the_timeout_and_the_tries() -> None:
    assert Policy().give_up_after == 2.5
    assert Policy(ack_timeout=0.2, tries=3).give_up_after == pytest.approx(0.6)
    assert Policy(ack_timeout=0.2).last_chance == 0.2
    assert Policy(tries=3).extra_sends == 2


def test_caps_follow_from_the_window_and_the_longest_message() -> None:
    policy = Policy(window_limit=10, message_limit=1_000, assemblies=3)
    assert policy.assembly_bytes == 3_000
    assert policy.unconfirmed_parts == 20
    assert policy.remembered == 10


def test_a_text_of_64_kib_fits() -> None:
    assert Policy().message_limit > 65_536
