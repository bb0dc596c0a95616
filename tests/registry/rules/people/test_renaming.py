"""Renaming: stored before it is confirmed, and visible to everybody at once."""

import pytest

from chatapp.registry.rules.effects import DropReason, NameChanged
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire import limits
from chatapp.wire.limits import RENAMES_SPAN
from chatapp.wire.messages.direct import DatagramRelayed, RelayDatagram
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailSaved
from chatapp.wire.messages.registration import RefusalReason, Rename, RenameAccepted, RenameRefused
from chatapp.wire.messages.rooms import CHANNEL, FetchGroup, GroupPage, RoomEntered
from chatapp.wire.messages.table import Card
from tests.registry.linked_peer import LinkedPeer, rows_of, table_of
from tests.registry.rig import Rig
from tests.registry.rules.rename_requests import accepted, card, refused, rename


class TestRenaming:
    def test_all_see_it_at_once_with_the_newer_card(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        before = table_of(bob)["ann"]
        rig.advance(1.0)
        bob.batches()
        accepted(ann, "anna")
        rig.advance(0.1)
        (row,) = [row for batch in bob.batches() for row in rows_of(list(batch.rows))]
        assert (row.card, row.sender_index, row.online) == (ann.card, before.sender_index, True)
        assert row.version > before.version
        assert set(table_of(bob)) == {"anna", "bob"}
        assert NameChanged(before="ann", name="anna") in rig.events

    def test_it_is_said_when_it_is_on_the_disk(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        assert ann.ask(Rename(7, card(ann, "anna"))) == []
        assert "ann" in table_of(bob)
        rig.commit()
        assert ann.notices() == [RenameAccepted(7)]

    def test_another_spelling_of_the_same_name(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        accepted(ann, "Ann")
        assert set(table_of(bob)) == {"Ann", "bob"}
        rig.restart()
        assert ann.register() is not None
        ann.attach()
        assert set(table_of(ann)) == {"Ann", "bob"}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("bob", RefusalReason.NAME_TAKEN),
            ("BOB", RefusalReason.NAME_TAKEN),
            ("b\u043eb", RefusalReason.NAME_TAKEN),
            ("two words", RefusalReason.BAD_NAME),
            ("", RefusalReason.BAD_NAME),
            ("server", RefusalReason.BAD_NAME),
            ("0perator", RefusalReason.BAD_NAME),
        ],
    )
    def test_who_may_not_have_it_keeps_the_name(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, name: str, reason: RefusalReason
    ) -> None:
        assert refused(ann, name) is reason
        assert set(table_of(bob)) == {"ann", "bob"}

    def test_a_card_must_be_newer_authentic_and_ones_own(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        old = ann.make_card(name="anna")
        assert ann.ask(Rename(1, old)) == [RenameRefused(1, RefusalReason.OLD_CARD)]
        new = card(ann, "anna")
        forged = Card("eve", new.identity, new.mail, new.counter, new.signature)
        assert ann.ask(Rename(2, forged)) == []
        assert ann.ask(Rename(3, bob.card)) == []
        assert rig.core.dropped[DropReason.BAD_CARD_SIGNATURE] == 1
        assert rig.core.dropped[DropReason.RENAME_OF_ANOTHER] == 1

    def test_once_more_is_answered_again(self, rig: Rig, ann: LinkedPeer) -> None:
        accepted(ann, "anna")
        for _ in range(20):
            assert ann.ask(Rename(9, ann.card)) == [RenameAccepted(9)]

    def test_two_at_once_come_one_after_the_other(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        assert ann.ask(Rename(1, card(ann, "one")), Rename(2, card(ann, "two"))) == []
        rig.commit()
        assert ann.notices() == [RenameAccepted(1), RenameAccepted(2)]
        assert set(table_of(bob)) == {"two", "bob"}

    def test_a_full_disk_leaves_everything_as_it_is(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.store.full = True
        assert refused(ann, "anna") is RefusalReason.NOT_SERVING
        rig.store.full = False
        assert set(table_of(bob)) == {"ann", "bob"}
        accepted(bob, "anna")

    def test_a_name_on_its_way_is_nobody_elses(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        ann.send(Rename(1, card(ann, "eve")))
        assert refused(bob, "eve") is RefusalReason.NAME_TAKEN

    def test_the_session_goes_on(self, rig: Rig, ann: LinkedPeer) -> None:
        ann.ping()
        assert ann.ask(Rename(1, card(ann, "anna"))) == [RenameAccepted(1)]
        assert len(ann.ping()) == 1

    def test_too_often(self, rig: Rig, ann: LinkedPeer) -> None:
        answers = [rename(ann, f"ann{number}") for number in range(limits.RENAMES_BURST + 1)]
        assert answers[-1] == RenameRefused(7, RefusalReason.FULL)
        assert answers[:-1] == [RenameAccepted(7)] * limits.RENAMES_BURST
        rig.advance(RENAMES_SPAN)
        accepted(ann, "anna")

    def test_a_full_directory_has_no_room_for_more_names(self) -> None:
        rig = Rig(policy=RegistryPolicy(names_max=3))
        ann, bob = rig.member("ann"), rig.member("bob")
        accepted(ann, "anna")
        assert refused(bob, "rob") is RefusalReason.FULL
        accepted(ann, "ann")


class TestWhatFollows:
    """Everything but the name belongs to the identity."""

    def test_mail_waits_under_any_name(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        ann.leave()
        assert bob.ask(DepositMail(1, ann.id, 5, b"letter")) == [MailSaved(1)]
        ann.name = "anna"
        ann.renew()
        ann.register()
        notices = ann.attach()
        (batch,) = [one for one in notices if isinstance(one, MailBatch)]
        assert [letter.letter for letter in batch.letters] == [b"letter"]

    def test_the_past_of_the_channel_and_the_room_stay_theirs(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        first = ann.enter("tea")
        bob.enter("tea")
        bob.send_raw(bob.line("before"))
        accepted(ann, "anna")
        again = ann.enter("tea")
        assert isinstance(first, RoomEntered)
        assert isinstance(again, RoomEntered)
        assert again.since == first.since
        rig.restart()
        for peer in (ann, bob):
            peer.register()
            peer.attach()
        back = ann.enter("tea")
        assert isinstance(back, RoomEntered)
        assert back.since == first.since
        pages: list[RegistryNotice] = ann.ask(FetchGroup(CHANNEL, 0))
        assert [len(one.lines) for one in pages if isinstance(one, GroupPage)] == [1]

    def test_relayed_datagrams_find_them(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        accepted(ann, "anna")
        bob.ask(RelayDatagram(ann.id, b"sealed"))
        assert DatagramRelayed(bob.id, b"sealed") in ann.notices()
