"""Renaming by registering under another name."""

from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.wire import limits
from chatapp.wire.messages.registration import (
    RefusalReason,
    Refused,
    Rename,
    RenameRefused,
    Welcome,
)
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import Rig
from tests.registry.rules.rename_requests import card, comes_in


class TestByRegister:
    """A peer that crashed between two steps registers under the new name."""

    def test_it_is_a_change_of_name(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        ann.drop_link()
        ann.name = "anna"
        ann.renew()
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table_of(bob)) == {"anna", "bob"}
        assert not comes_in(rig, "ann")
        rig.restart()
        assert isinstance(ann.register(), Welcome)

    def test_a_taken_name_is_refused(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        ann.name = "bob"
        ann.renew()
        answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.NAME_TAKEN

    def test_a_full_disk_refuses(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        rig.store.full = True
        ann.name = "anna"
        ann.renew()
        answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.NOT_SERVING
        assert set(table_of(bob)) == {"ann", "bob"}

    def test_repeats_while_the_disk_works_are_answered_once(
        self, rig: Rig, ann: LinkedPeer
    ) -> None:
        ann.name = "anna"
        ann.renew()
        datagram = ann.register_bytes(ann.hello())
        rig.auto_commit = False
        for _ in range(3):
            rig.receive(datagram, ann.address)
        rig.commit()
        welcomes = [data for data in rig.take(ann.address) if data[0] == 4]
        assert len(welcomes) == 1

    def test_too_often(self, rig: Rig, ann: LinkedPeer) -> None:
        for number in range(limits.RENAMES_BURST + 1):
            ann.name = f"ann{number}"
            ann.renew()
            answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.FULL

    def test_the_newest_card_wins_whichever_way_it_came(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """A Rename waits for the disk when the peer restarts under its former name."""
        rig.auto_commit = False
        ann.send(Rename(1, card(ann, "anna")))
        ann.renew()
        rig.receive(ann.register_bytes(ann.hello()), ann.address)
        rig.commit()
        assert RenameRefused(1, RefusalReason.OLD_CARD) in ann.notices()
        rig.advance(LINK_AWAITED_FOR)
        assert table_of(bob)["ann"].card == ann.card
        rig.auto_commit = True
        rig.restart()
        assert not comes_in(rig, "anna")
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table_of(ann)) == {"ann", "bob"}
