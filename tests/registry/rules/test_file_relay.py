"""Clause 6.22: files through the registry, and who asks for more of it than is given."""

from chatapp.registry.edge.links import IDLE_QUEUE_MAX
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.limits import (
    DATAGRAM_MAX,
    FILE_RELAY_NETWORK_SHARES,
    FILE_RELAY_PAUSE,
    FILE_RELAYS_BURST,
    FILE_RELAYS_PER_SECOND,
)
from chatapp.wire.messages.direct import (
    DatagramRelayed,
    FileRelayRefused,
    RelayDatagram,
    RelayFailed,
    RelayFile,
)
from chatapp.wire.messages.link import RegistryNotice
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

PIECE = bytes(1_000)


def given(notices: list[RegistryNotice]) -> int:
    """Count what was passed on."""
    return sum(isinstance(one, DatagramRelayed) for one in notices)


def with_hourly(bytes_: int) -> tuple[Rig, LinkedPeer, LinkedPeer]:
    """Return a registry that passes on so many bytes an hour, and two people."""
    rig = Rig(policy=RegistryPolicy(file_relay_bytes=bytes_))
    return rig, rig.member("ann"), rig.member("bob")


def test_a_piece_is_passed_on_and_counted() -> None:
    rig, ann, bob = with_hourly(10_000_000)
    assert ann.ask(RelayFile(bob.id, PIECE)) == []
    assert bob.notices() == [DatagramRelayed(ann.id, PIECE)]
    figures = rig.core.snapshot(now=rig.now).figures
    assert figures["file_bytes_relayed"] == len(PIECE)


def test_nothing_goes_to_nobody_and_nothing_that_is_no_datagram() -> None:
    _, ann, bob = with_hourly(10_000_000)
    too_long = bytes(DATAGRAM_MAX + 1)
    assert ann.ask(RelayFile(bob.id, too_long)) == [RelayFailed(bob.id)]
    assert ann.ask(RelayFile(b"?" * 32, PIECE)) == [RelayFailed(b"?" * 32)]
    assert bob.notices() == []


def test_a_registry_that_passes_nothing_on_says_so_to_both() -> None:
    _, ann, bob = with_hourly(0)
    assert ann.ask(RelayFile(bob.id, PIECE)) == [FileRelayRefused(bob.id, 0)]
    assert bob.notices() == [FileRelayRefused(ann.id, 0)]
    assert ann.ask(RelayDatagram(bob.id, PIECE)) == []
    assert given(bob.notices()) == 1, "messages are no files"


def test_a_flooder_gets_the_rate_and_costs_no_message() -> None:
    rig, ann, bob = with_hourly(1_000_000_000)
    ann.send(*[RelayFile(bob.id, b"x")] * 2_000)
    rig.advance(0.5)
    ann.send(*[RelayFile(bob.id, b"x")] * 2_000)
    assert given(bob.notices()) == int(FILE_RELAYS_BURST + FILE_RELAYS_PER_SECOND / 2)
    ann.send(RelayDatagram(bob.id, b"talk"))
    assert given(bob.notices()) == 1


def test_the_bytes_of_an_hour_are_used_up_and_come_back() -> None:
    rig, ann, bob = with_hourly(36_000)
    ann.send(*[RelayFile(bob.id, PIECE)] * 100)
    came = bob.notices()
    assert given(came) == 37  # the last one may go beyond
    refused = [one for one in came if isinstance(one, FileRelayRefused)]
    assert refused == [FileRelayRefused(ann.id, FILE_RELAY_PAUSE + 100)] * 63
    assert ann.notices()[-1] == FileRelayRefused(bob.id, FILE_RELAY_PAUSE + 100)
    rig.advance(1_000)
    ann.send(*[RelayFile(bob.id, PIECE)] * 100)
    assert given(bob.notices()) == 1 + (36_000 * 1_000 // 3_600 - 1_000) // 1_000
    assert rig.core.dropped[DropReason.FILE_RELAY_USED_UP] > 0


def test_many_names_of_one_network_share_what_it_has() -> None:
    rig = Rig(policy=RegistryPolicy(file_relay_bytes=20_000))
    bob = rig.member("bob")
    came = 0
    for number in range(8):
        one = rig.peer(f"user{number}", host="10.9.9.9")
        one.register()
        one.attach()
        one.send(*[RelayFile(bob.id, PIECE)] * 20)
        came += given(bob.notices())
    assert came == FILE_RELAY_NETWORK_SHARES * 20 + 1


def test_words_come_before_files() -> None:
    rig, ann, bob = with_hourly(10_000_000)
    assert bob.link is not None
    link = rig.core.edge.links.find(bob.link)
    assert link is not None
    link.backlog = IDLE_QUEUE_MAX // 2 + 1
    ann.send(RelayFile(bob.id, PIECE), RelayDatagram(bob.id, b"talk"))
    assert bob.notices() == [DatagramRelayed(ann.id, b"talk")]
