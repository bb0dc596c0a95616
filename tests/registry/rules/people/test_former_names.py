"""Former names: reserved for their key for a while, then free."""

import pytest

from chatapp.registry.store.entries import NameBound, NameFreed, NameReserved
from chatapp.wire import limits
from chatapp.wire.codec import encode
from chatapp.wire.limits import NAME_KEPT_FOR
from chatapp.wire.messages.registration import RefusalReason, Welcome
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import Rig
from tests.registry.rules.rename_requests import accepted, card, comes_in, refused

CYRILLIC_A = "\u0430"


class TestTheNameBefore:
    def test_it_is_kept_for_its_key_and_may_be_taken_back(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        accepted(ann, "anna")
        assert not comes_in(rig, "ann")
        assert not comes_in(rig, f"{CYRILLIC_A}nn")
        assert refused(bob, "ann") is RefusalReason.NAME_TAKEN
        accepted(ann, "ann")
        assert set(table_of(bob)) == {"ann", "bob"}

    @pytest.mark.parametrize("restarts", [False, True])
    def test_after_21_days_it_is_anybodys(self, rig: Rig, ann: LinkedPeer, restarts: bool) -> None:
        accepted(ann, "anna")
        rig.advance(NAME_KEPT_FOR / 2)
        if restarts:
            rig.restart(crash=True)
        rig.advance(NAME_KEPT_FOR / 2 - 120.0)
        assert not comes_in(rig, "ann")
        rig.advance(240.0)
        assert comes_in(rig, "ann")
        rig.restart()
        names = {entry.name_key: entry.identity == ann.id for entry in rig.store.load().names}
        assert names == {"anna": True, "ann": False}

    def test_both_names_are_theirs_after_a_crash(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        accepted(ann, "anna")
        rig.restart(crash=True)
        assert not comes_in(rig, "ann")
        assert not comes_in(rig, "anna")
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table_of(ann)) == {"anna", "bob"}
        accepted(ann, "ann")

    def test_at_most_so_many_and_the_oldest_goes_first(self, rig: Rig, ann: LinkedPeer) -> None:
        for number in range(limits.NAMES_RESERVED_MAX + 1):
            accepted(ann, f"ann{number}")
        assert comes_in(rig, "ann")
        assert not comes_in(rig, "ann0")
        assert any(isinstance(entry, NameReserved) for entry in rig.store.load().names)
        rig.restart()
        assert not comes_in(rig, "ann0")

    def test_half_of_it_lost_in_a_crash(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        """The new binding is on the disk, but the entry about the former name is not."""
        new = card(ann, "anna")
        rig.store.append([NameBound("anna", ann.id, encode(new), 0, 0)])
        rig.store.sync()
        rig.restart()
        assert not comes_in(rig, "ann")
        ann.card = new
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table_of(ann)) == {"anna", "bob"}
        accepted(ann, "ann")

    def test_a_name_that_is_free_again_is_said_to_be_so_once(
        self, rig: Rig, ann: LinkedPeer
    ) -> None:
        said: list[object] = []
        append = rig.store.append
        rig.store.append = lambda entries: (said.extend(entries), append(entries))[1]  # type: ignore[method-assign,func-returns-value]
        accepted(ann, "anna")
        rig.advance(NAME_KEPT_FOR + 600.0)
        assert [entry for entry in said if isinstance(entry, NameFreed)] == [NameFreed("ann")]
