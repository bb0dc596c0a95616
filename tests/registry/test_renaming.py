"""This file is about changing names: stored before it is said, seen by all, the name before kept for its key."""

import pytest

from registry.events import NameChanged
from registry.store.entries import NameBound, NameFreed, NameReserved
from tests.registry.hand import Hand, rows_of
from tests.registry.rig import Rig
from wire import limits
from wire.codec import encode
from wire.limits import NAME_KEPT_FOR, RENAMES_SPAN
from wire.messages.direct import DatagramRelayed, RelayDatagram
from wire.messages.group import CHANNEL, FetchGroup, GroupPage
from wire.messages.link import RegistryNotice
from wire.messages.mail import DepositMail, MailBatch, MailSaved
from wire.messages.registration import RefusalReason, Refused, Welcome
from wire.messages.renaming import Rename, RenameAccepted, RenameRefused
from wire.messages.room import RoomEntered
from wire.messages.table import Card, FetchTable, Row, TablePage

CYRILLIC_A = "\u0430"


def card(hand: Hand, name: str) -> Card:
    """The next card, under this name."""
    hand.counter += 1
    return hand.make_card(name=name)


def rename(hand: Hand, name: str) -> RenameAccepted | RenameRefused:
    """What the registry says to it; the hand bears the name if it may."""
    new = card(hand, name)
    answers = [one for one in hand.ask(Rename(7, new)) if isinstance(one, RenameAccepted | RenameRefused)]
    assert len(answers) == 1
    if isinstance(answers[0], RenameAccepted):
        hand.card, hand.name = new, name
    return answers[0]


def table(hand: Hand) -> dict[str, Row]:
    (answer,) = [one for one in hand.ask(FetchTable(0)) if isinstance(one, TablePage)]
    return {row.card.name: row for row in rows_of(list(answer.rows))}


def accepted(hand: Hand, name: str) -> None:
    assert rename(hand, name) == RenameAccepted(7)


def refused(hand: Hand, name: str) -> RefusalReason:
    answer = rename(hand, name)
    assert isinstance(answer, RenameRefused)
    return answer.reason


def comes_in(rig: Rig, name: str) -> bool:
    return isinstance(rig.hand(name).register(), Welcome)


class TestRenaming:
    def test_all_see_it_at_once_with_the_newer_card(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        before = table(bob)["ann"]
        rig.advance(1.0)
        bob.batches()
        accepted(ann, "anna")
        rig.advance(0.1)
        (row,) = [row for batch in bob.batches() for row in rows_of(list(batch.rows))]
        assert (row.card, row.station, row.online) == (ann.card, before.station, True)
        assert row.version > before.version
        assert set(table(bob)) == {"anna", "bob"}
        assert NameChanged(before="ann", name="anna") in rig.core.events()

    def test_it_is_said_when_it_is_on_the_disk(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.auto_commit = False
        assert ann.ask(Rename(7, card(ann, "anna"))) == []
        assert "ann" in table(bob)
        rig.commit()
        assert ann.notices() == [RenameAccepted(7)]

    def test_another_spelling_of_the_same_name(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        accepted(ann, "Ann")
        assert set(table(bob)) == {"Ann", "bob"}
        rig.restart()
        assert ann.register() is not None
        ann.attach()
        assert set(table(ann)) == {"Ann", "bob"}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("bob", RefusalReason.NAME_TAKEN),
            ("BOB", RefusalReason.NAME_TAKEN),
            ("b\u043eb", RefusalReason.NAME_TAKEN),
            ("two words", RefusalReason.BAD_NAME),
            ("", RefusalReason.BAD_NAME),
            ("server", RefusalReason.BAD_NAME),
        ],
    )
    def test_who_may_not_have_it_keeps_the_name(
        self, rig: Rig, ann: Hand, bob: Hand, name: str, reason: RefusalReason
    ) -> None:
        assert refused(ann, name) is reason
        assert set(table(bob)) == {"ann", "bob"}

    def test_a_card_must_be_newer_authentic_and_ones_own(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        old = ann.make_card(name="anna")
        assert ann.ask(Rename(1, old)) == [RenameRefused(1, RefusalReason.OLD_CARD)]
        new = card(ann, "anna")
        forged = Card("eve", new.identity, new.live, new.mail, new.counter, new.signature)
        assert ann.ask(Rename(2, forged)) == []
        assert ann.ask(Rename(3, bob.card)) == []
        assert rig.core.dropped["bad card signature"] == 1
        assert rig.core.dropped["rename of another"] == 1

    def test_once_more_is_answered_again(self, rig: Rig, ann: Hand) -> None:
        accepted(ann, "anna")
        for _ in range(20):
            assert ann.ask(Rename(9, ann.card)) == [RenameAccepted(9)]

    def test_two_at_once_come_one_after_the_other(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.auto_commit = False
        assert ann.ask(Rename(1, card(ann, "one")), Rename(2, card(ann, "two"))) == []
        rig.commit()
        assert ann.notices() == [RenameAccepted(1), RenameAccepted(2)]
        assert set(table(bob)) == {"two", "bob"}

    def test_a_full_disk_leaves_everything_as_it_is(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.store.full = True
        assert refused(ann, "anna") is RefusalReason.NOT_SERVING
        rig.store.full = False
        assert set(table(bob)) == {"ann", "bob"}
        accepted(bob, "anna")

    def test_a_name_on_its_way_is_nobody_elses(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.auto_commit = False
        ann.send(Rename(1, card(ann, "eve")))
        assert refused(bob, "eve") is RefusalReason.NAME_TAKEN

    def test_a_new_live_key_in_the_card_begins_a_session(self, rig: Rig, ann: Hand) -> None:
        ann.name = "anna"
        ann.renew()
        assert ann.ask(Rename(1, ann.card)) == [RenameAccepted(1)]
        ann.use_registry(rig.core._sessions.card)
        assert len(ann.ping()) == 1

    def test_too_often(self, rig: Rig, ann: Hand) -> None:
        answers = [rename(ann, f"ann{number}") for number in range(limits.RENAMES_BURST + 1)]
        assert answers[-1] == RenameRefused(7, RefusalReason.FULL)
        assert answers[:-1] == [RenameAccepted(7)] * limits.RENAMES_BURST
        rig.advance(RENAMES_SPAN)
        accepted(ann, "anna")

    def test_a_full_directory_has_no_room_for_more_names(
        self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.directory.NAMES_MAX", 3)
        accepted(ann, "anna")
        assert refused(bob, "rob") is RefusalReason.FULL
        accepted(ann, "ann")


class TestTheNameBefore:
    def test_it_is_kept_for_its_key_and_may_be_taken_back(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        accepted(ann, "anna")
        assert not comes_in(rig, "ann")
        assert not comes_in(rig, f"{CYRILLIC_A}nn")
        assert refused(bob, "ann") is RefusalReason.NAME_TAKEN
        accepted(ann, "ann")
        assert set(table(bob)) == {"ann", "bob"}

    @pytest.mark.parametrize("restarts", [False, True])
    def test_after_21_days_it_is_anybodys(self, rig: Rig, ann: Hand, restarts: bool) -> None:
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

    def test_both_names_are_theirs_after_a_crash(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        accepted(ann, "anna")
        rig.restart(crash=True)
        assert not comes_in(rig, "ann")
        assert not comes_in(rig, "anna")
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table(ann)) == {"anna", "bob"}
        accepted(ann, "ann")

    def test_at_most_so_many_and_the_oldest_goes_first(self, rig: Rig, ann: Hand) -> None:
        for number in range(limits.NAMES_RESERVED_MAX + 1):
            accepted(ann, f"ann{number}")
        assert comes_in(rig, "ann")
        assert not comes_in(rig, "ann0")
        assert any(isinstance(entry, NameReserved) for entry in rig.store.load().names)
        rig.restart()
        assert not comes_in(rig, "ann0")

    def test_half_of_it_lost_in_a_crash(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        """The new binding is on the disk, what became of the name before is not."""
        new = card(ann, "anna")
        rig.store.append([NameBound("anna", ann.id, encode(new), 0, 0)])
        rig.store.sync()
        rig.restart()
        assert not comes_in(rig, "ann")
        ann.card = new
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table(ann)) == {"anna", "bob"}
        accepted(ann, "ann")

    def test_a_name_that_is_free_again_is_said_to_be_so_once(self, rig: Rig, ann: Hand) -> None:
        said: list[object] = []
        append = rig.store.append
        rig.store.append = lambda entries: (said.extend(entries), append(entries))[1]  # type: ignore[method-assign,func-returns-value]
        accepted(ann, "anna")
        rig.advance(NAME_KEPT_FOR + 600.0)
        assert [entry for entry in said if isinstance(entry, NameFreed)] == [NameFreed("ann")]


class TestByRegister:
    """Somebody who crashed between two steps comes in under the new name."""

    def test_it_is_a_change_of_name(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        ann.drop_link()
        ann.name = "anna"
        ann.renew()
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table(bob)) == {"anna", "bob"}
        assert not comes_in(rig, "ann")
        rig.restart()
        assert isinstance(ann.register(), Welcome)

    def test_a_taken_name_is_refused(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        ann.name = "bob"
        ann.renew()
        answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.NAME_TAKEN

    def test_a_full_disk_refuses(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.store.full = True
        ann.name = "anna"
        ann.renew()
        answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.NOT_SERVING
        assert set(table(bob)) == {"ann", "bob"}

    def test_repeats_while_the_disk_works_are_answered_once(self, rig: Rig, ann: Hand) -> None:
        ann.name = "anna"
        ann.renew()
        datagram = ann.register_bytes(ann.hello())
        rig.auto_commit = False
        for _ in range(3):
            rig.receive(datagram, ann.address)
        rig.commit()
        welcomes = [data for data in rig.take(ann.address) if data[0] == 4]
        assert len(welcomes) == 1

    def test_too_often(self, rig: Rig, ann: Hand) -> None:
        for number in range(limits.RENAMES_BURST + 1):
            ann.name = f"ann{number}"
            ann.renew()
            answer = ann.register()
        assert isinstance(answer, Refused)
        assert answer.reason is RefusalReason.FULL

    def test_the_newest_card_wins_whichever_way_it_came(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        """A Rename is on its way to the disk when the peer starts anew under its former name."""
        rig.auto_commit = False
        ann.send(Rename(1, card(ann, "anna")))
        ann.renew()
        rig.receive(ann.register_bytes(ann.hello()), ann.address)
        rig.commit()
        assert RenameRefused(1, RefusalReason.OLD_CARD) in ann.notices()
        assert table(bob)["ann"].card == ann.card
        rig.auto_commit = True
        rig.restart()
        assert not comes_in(rig, "anna")
        assert isinstance(ann.register(), Welcome)
        ann.attach()
        assert set(table(ann)) == {"ann", "bob"}


class TestWhatFollows:
    """Everything else belongs to the identity."""

    def test_mail_waits_under_any_name(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        ann.leave()
        assert bob.ask(DepositMail(1, ann.id, 5, b"letter")) == [MailSaved(1)]
        ann.name = "anna"
        ann.renew()
        ann.register()
        notices = ann.attach()
        (batch,) = [one for one in notices if isinstance(one, MailBatch)]
        assert [letter.letter for letter in batch.letters] == [b"letter"]

    def test_the_past_of_the_channel_and_the_room_stay_theirs(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        first = ann.enter("tea")
        bob.enter("tea")
        bob.send_raw(bob.line("before"))
        accepted(ann, "anna")
        again = ann.enter("tea")
        assert isinstance(first, RoomEntered)
        assert isinstance(again, RoomEntered)
        assert again.since == first.since
        rig.restart()
        for hand in (ann, bob):
            hand.register()
            hand.attach()
        back = ann.enter("tea")
        assert isinstance(back, RoomEntered)
        assert back.since == first.since
        pages: list[RegistryNotice] = ann.ask(FetchGroup(CHANNEL, 0))
        assert [len(one.lines) for one in pages if isinstance(one, GroupPage)] == [1]

    def test_relayed_datagrams_find_them(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        accepted(ann, "anna")
        bob.ask(RelayDatagram(ann.id, b"sealed"))
        assert DatagramRelayed(bob.id, b"sealed") in ann.notices()
