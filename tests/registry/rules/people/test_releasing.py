"""People who give up their names: when the name is free, what is deleted, and what the others
learn."""

from chatapp.registry.rules.admin_requests import ReleaseName
from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.directory.names import key_of
from chatapp.registry.rules.effects import DropReason
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailExpired, MailRefused, MailSaved
from chatapp.wire.messages.registration import (
    RefusalReason,
    Refused,
    Release,
    Released,
    ReleaseRefused,
    Welcome,
)
from chatapp.wire.messages.rooms import RoomPresence
from chatapp.wire.messages.table import Presence
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import Rig
from tests.registry.rules.rename_requests import accepted, comes_in


def released(peer: LinkedPeer) -> list[object]:
    """Ask for the release; returns the answers to it."""
    return [one for one in peer.ask(Release(7)) if isinstance(one, Released | ReleaseRefused)]


class TestTheName:
    def test_anybody_may_take_it_once_it_is_released(self, rig: Rig) -> None:
        bob = rig.member("bob")
        assert isinstance(rig.peer("Bob").register(), Refused)
        assert released(bob) == [Released(7)]
        assert bob.link in rig.closed
        assert comes_in(rig, "Bob")
        bob.renew()
        refused = bob.register()
        assert isinstance(refused, Refused)
        assert refused.reason is RefusalReason.NAME_TAKEN

    def test_its_former_owner_may_take_it_again_as_a_newcomer(self, rig: Rig) -> None:
        bob = rig.member("bob")
        released(bob)
        bob.renew()
        assert isinstance(bob.register(), Welcome)
        bob.attach()
        assert table_of(bob)["bob"].presence is Presence.ONLINE

    def test_names_that_were_reserved_for_its_owner_are_free_too(self, rig: Rig) -> None:
        bob = rig.member("bob")
        accepted(bob, "rob")
        released(bob)
        assert comes_in(rig, "bob")
        assert comes_in(rig, "rob")

    def test_it_is_free_after_a_crash(self, rig: Rig) -> None:
        bob = rig.member("bob")
        released(bob)
        rig.restart()
        assert comes_in(rig, "bob")

    def test_it_stays_its_owners_until_the_disk_has_answered(self, rig: Rig) -> None:
        bob = rig.member("bob")
        rig.auto_commit = False
        assert released(bob) == []
        assert isinstance(rig.peer("bob").register(), Refused)

    def test_its_owner_is_served_nothing_while_the_disk_works(self, rig: Rig) -> None:
        bob, alice = rig.member("bob"), rig.member("alice")
        rig.auto_commit = False
        released(bob)
        bob.send(DepositMail(recipient=alice.id, number=1, letter=b"x" * 200, reference=3))
        assert rig.core.dropped[DropReason.NAME_BEING_GIVEN_UP] == 1
        bob.register()
        assert rig.core.dropped[DropReason.NAME_BEING_GIVEN_UP] == 2
        rig.commit()
        assert bob.notices() == [Released(7)]
        rig.auto_commit = True
        assert comes_in(rig, "bob")

    def test_it_stays_with_whom_took_it_if_it_was_freed_meanwhile(self, rig: Rig) -> None:
        bob = rig.member("bob")
        rig.auto_commit = False
        released(bob)
        bob.drop_link()
        rig.core.run_admin_request(ReleaseName("bob"), "ticket", now=rig.now)
        other = rig.peer("bob")
        other.register()
        rig.commit()
        assert rig.core.engine.hub.directory.names.holder(str(key_of("bob"))) == other.id


class TestRefusals:
    def test_a_disk_that_takes_nothing_leaves_all_as_it_was(self, rig: Rig) -> None:
        bob = rig.member("bob")
        rig.store.full = True
        assert released(bob) == [ReleaseRefused(7, RefusalReason.NOT_SERVING)]
        rig.store.full = False
        assert not comes_in(rig, "bob")
        assert released(bob) == [Released(7)]

    def test_only_the_present_link_may_release(self, rig: Rig) -> None:
        bob = rig.member("bob")
        old, session = bob.link, bob.session
        bob.attach()
        bob.link, bob.session, newest = old, session, (bob.link, bob.session)
        bob.send(Release(7))
        bob.link, bob.session = newest
        assert rig.core.engine.hub.directory.names.holder(str(key_of("bob"))) == bob.id


class TestWhatIsDeleted:
    def test_mail_is_deleted_and_its_senders_are_told(self, rig: Rig) -> None:
        alice, bob = rig.member("alice"), rig.member("bob")
        letter = DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=3)
        assert MailSaved(3) in alice.ask(letter)
        released(bob)
        assert MailExpired(bob.id, 1) in alice.notices()
        (refused,) = [one for one in alice.ask(letter) if isinstance(one, MailRefused)]
        rig.restart()
        bob.renew()
        bob.register()
        batches = [one for one in bob.attach() if isinstance(one, MailBatch)]
        assert batches == [MailBatch([], more=False)]
        assert refused.reference == 3

    def test_a_letter_on_its_way_to_the_disk_is_deleted_later(self, rig: Rig) -> None:
        alice, bob = rig.member("alice"), rig.member("bob")
        rig.auto_commit = False
        alice.send(DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=3))
        bob.send(Release(7))
        rig.commit()
        rig.auto_commit = True
        rig.advance(rig.policy.sweep_span + 1.0)
        assert len(rig.core.engine.hub.mail) == 0

    def test_rooms_lose_the_member(self, rig: Rig) -> None:
        alice, bob = rig.member("alice"), rig.member("bob")
        alice.enter("lab")
        bob.enter("lab")
        rig.advance(1.0)
        alice.changes()
        released(bob)
        rig.advance(1.0)
        assert alice.changes() == {bob.id: RoomPresence.GONE}


class TestTheTable:
    def test_peers_that_have_the_row_learn_of_it(self, rig: Rig) -> None:
        alice, bob = rig.member("alice"), rig.member("bob")
        rig.advance(1.0)
        alice.batches()
        released(bob)
        rig.advance(1.0)
        assert [
            row.presence for row in table_of(alice).values() if row.card.identity == bob.id
        ] == [Presence.RELEASED]

    def test_the_row_of_somebody_who_is_back_replaces_the_last_one(self, rig: Rig) -> None:
        alice, bob = rig.member("alice"), rig.member("bob")
        released(bob)
        bob.renew()
        bob.register()
        rig.advance(LINK_AWAITED_FOR)
        rows = [row for row in table_of(alice).values() if row.card.identity == bob.id]
        assert [row.presence for row in rows] == [Presence.ONLINE]
