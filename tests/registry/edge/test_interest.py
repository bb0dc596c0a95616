"""Presence by interest at the registry (clause 3.9): who is told what, and what a hostile peer
gets."""

import random
from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.edge.interest import OWED_MAX, PeopleIndex
from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.limits import (
    FINDS_BURST,
    FINDS_PER_SECOND,
    FOUND_MAX,
    LINK_QUEUE_MAX,
    RELEASED_TOLD_MAX,
    SIGHTS_MAX,
    WATCHED_MAX,
)
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.registration import Leave, Ping, Pong
from chatapp.wire.messages.table import (
    ONLINE,
    By,
    FetchTable,
    Find,
    Found,
    Presence,
    PresenceChanged,
    Scope,
    SetStatus,
    Sight,
    TableScope,
    Watch,
)
from chatapp.wire.names import name_key
from chatapp.wire.roster import sight_digest
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

LIMIT = 2
Notice = TypeVar("Notice", bound=RegistryNotice)


def of(kind: type[Notice], notices: Sequence[RegistryNotice]) -> list[Notice]:
    return [notice for notice in notices if isinstance(notice, kind)]


def crowd(count: int, *, limit: int = LIMIT) -> tuple[Rig, list[LinkedPeer]]:
    """A registry and its members, of whom each has read everything."""
    rig = Rig(policy=RegistryPolicy(broadcast_up_to=limit))
    peers = [rig.member(f"p{number:03}") for number in range(count)]
    rig.advance(2 * LINK_AWAITED_FOR)
    for peer in peers:
        peer.take_all()
    return rig, peers


def seen(notices: Sequence[RegistryNotice]) -> list[tuple[str, Presence]]:
    changed = of(PresenceChanged, notices)
    return [(one.name, one.presence) for notice in changed for one in notice.people]


def found(peer: LinkedPeer, find: Find) -> Found:
    (answer,) = of(Found, peer.ask(find))
    assert answer.reference == find.reference
    return answer


def names(answer: Found) -> list[str]:
    return [one.name for one in answer.people]


class TestScope:
    def test_up_to_the_limit_nothing_of_it_is_said(self) -> None:
        rig = Rig(policy=RegistryPolicy(broadcast_up_to=LIMIT))
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        assert rig.take(ann.address)
        for peer in (ann, bob):
            assert not of(TableScope, [*peer.notices(), *peer.ask(Ping(1))])
            assert not peer.ask(Watch(1, 0, [ann.id], []), Find(2, By.NAME, "ann"))

    def test_above_it_links_are_told_so_and_nothing_is_broadcast(self) -> None:
        """Clause 3.9: "It sends no table batches then, and says TableScope"."""
        rig, (ann, bob) = crowd(2)
        carol = rig.peer("carol")
        carol.register()
        told = [carol.attach(), ann.notices(), bob.notices()]
        rig.advance(LINK_AWAITED_FOR)
        told = [[*some, *peer.notices()] for some, peer in zip(told, rig.peers[::-1], strict=False)]
        assert [scope.scope for some in told for scope in of(TableScope, some)]
        rig.take(ann.address)
        rig.advance(2.0)
        assert not rig.take(ann.address)

    def test_a_new_link_is_told_before_its_grant(self) -> None:
        """Clause 3.9: "which it does before its GroupGranted"."""
        _, (ann, *_) = crowd(LIMIT + 1)
        ann.drop_link()
        ann.register()
        first, *_ = ann.attach()
        assert isinstance(first, TableScope) and first.scope is Scope.INTEREST

    def test_a_crowd_near_the_limit_does_not_change_it_all_the_time(self) -> None:
        """Clause 3.9: "until fewer than 80 % of it are"."""
        rig, peers = crowd(6, limit=5)
        for peer in peers[4:]:
            peer.ask(Leave(1))
        assert not of(TableScope, peers[0].notices())
        peers[3].ask(Leave(1))
        (scope,) = of(TableScope, peers[0].notices())
        assert scope.scope is Scope.WHOLE
        rig.advance(1.0)
        assert rig.take(peers[0].address)

    def test_before_each_pong_it_says_how_things_stand(self) -> None:
        rig, (ann, bob, _) = crowd(3)
        ann.ask(Watch(1, 0, [bob.id], []))
        scope, pong = ann.ask(Ping(7))
        row = rig.core.engine.hub.directory.person(bob.id)
        assert row is not None and isinstance(pong, Pong)
        sight = Sight(
            bob.id, "", "", 0, row.presence, row.since, row.sender_index, 0, row.version, "", None
        )
        digest = sight_digest(bob.id, sight).to_bytes(8, "big")
        assert scope == TableScope(Scope.INTEREST, 3, rig.core.engine.hub.directory.version, digest)

    def test_nobody_is_given_the_table(self) -> None:
        """Clause 3.9: "and as the only answer to FetchTable"."""
        _, (ann, *_) = crowd(3)
        (answer,) = ann.ask(FetchTable(0))
        assert isinstance(answer, TableScope)


class TestWatching:
    def test_a_change_goes_to_those_who_watch_and_to_nobody_else(self) -> None:
        _, (ann, bob, carol) = crowd(3)
        assert seen(ann.ask(Watch(1, 0, [bob.id], []))) == [("p001", Presence.ONLINE)]
        bob.ask(SetStatus("exam", None))
        (notice,) = of(PresenceChanged, ann.notices())
        assert (notice.reference, notice.people[0].status) == (0, "exam")
        assert not of(PresenceChanged, carol.notices())
        ann.ask(Watch(2, 0, [], [bob.id]))
        bob.drop_link()
        assert not seen(ann.notices())

    def test_only_what_has_changed_since_is_answered(self) -> None:
        rig, (ann, bob, carol) = crowd(3)
        version = rig.core.engine.hub.directory.version
        carol.ask(SetStatus("here", None))
        (answer,) = of(PresenceChanged, ann.ask(Watch(5, version, [bob.id, carol.id], [])))
        assert (answer.reference, answer.more) == (5, False)
        assert [one.key for one in answer.people] == [carol.id]

    def test_many_are_answered_in_parts(self) -> None:
        _, peers = crowd(SIGHTS_MAX + 2)
        keys = [peer.id for peer in peers]
        answers = of(PresenceChanged, peers[0].ask(Watch(5, 0, keys, [])))
        assert [(one.reference, one.more, len(one.people)) for one in answers] == [
            (5, True, SIGHTS_MAX),
            (5, False, 2),
        ]

    def test_after_an_unknown_version_all_are_told_anew(self) -> None:
        rig, (ann, bob, _) = crowd(3)
        version = rig.core.engine.hub.directory.version
        rig.core.engine.hub.directory.table.gaps.append((version, version + 10))
        assert not seen(ann.ask(Watch(1, version, [bob.id], [])))
        assert seen(ann.ask(Watch(2, version + 5, [bob.id], [])))


class TestFinding:
    def test_by_name_by_prefix_and_by_sender_index(self) -> None:
        _, peers = crowd(4)
        ann, bob = peers[:2]
        assert names(found(ann, Find(1, By.NAME, "P001"))) == ["p001"]
        assert names(found(ann, Find(2, By.NAME, "p0"))) == []
        assert names(found(ann, Find(3, By.NAME, "no name"))) == []
        assert names(found(ann, Find(4, By.PREFIX, "p0"))) == ["p000", "p001", "p002", "p003"]
        assert names(found(ann, Find(5, By.SENDER_INDEX, "", bob.sender_index))) == ["p001"]
        bob.ask(Leave(1))
        assert names(found(ann, Find(6, By.PREFIX, "", only_online=True))) == [
            "p000",
            "p002",
            "p003",
        ]

    def test_pages(self) -> None:
        _, peers = crowd(5)
        page = found(peers[0], Find(1, By.PREFIX, "p", limit=2))
        assert (names(page), page.more) == (["p000", "p001"], True)
        page = found(peers[0], Find(2, By.PREFIX, "p", after="p002", limit=2))
        assert (names(page), page.more) == (["p003", "p004"], False)

    def test_whoever_harvests_waits(self) -> None:
        """Clause 3.9: "A registry answers 30 Finds of one person at once and then one a second"."""
        rig, peers = crowd(FOUND_MAX + 1)
        ann, bob = peers[:2]
        answers = [found(ann, Find(n, By.PREFIX, "", limit=1)) for n in range(int(FINDS_BURST))]
        assert all(answer.people and not answer.wait for answer in answers)
        late = found(ann, Find(99, By.NAME, "p001"))
        assert (late.people, late.wait) == ([], 1)
        ann.drop_link()  # a new link makes nothing good
        ann.register()
        ann.attach()
        assert found(ann, Find(99, By.NAME, "p001")).wait
        assert found(bob, Find(1, By.NAME, "p001")).people
        rig.advance(1 / FINDS_PER_SECOND)
        assert found(ann, Find(99, By.NAME, "p001")).people
        assert rig.core.dropped[DropReason.FIND_RATE] == 2


class TestHostile:
    def test_keys_that_nobody_has_cost_nothing_afterwards(self) -> None:
        rig, (ann, bob, _) = crowd(3)
        interest, chance = rig.core.edge.interest, random.Random(1)
        index = interest._index
        assert index is not None
        known = len(index._people)
        for _ in range(3):
            keys = [chance.randbytes(32) for _ in range(WATCHED_MAX)]
            ann.ask(Watch(1, 0, keys, []))
        assert len(index._people) == known + WATCHED_MAX
        assert rig.core.dropped[DropReason.WATCHES_TOO_MANY] == 2
        assert not seen(ann.ask(Watch(1, 0, [bob.id], [])))
        ann.drop_link()
        assert len(index._people) == known and not interest._watched.get(ann.link or 0)

    def test_a_flood_of_watches_is_paused_as_a_flood_of_requests(self) -> None:
        rig, (ann, *_) = crowd(3)
        keys = [bytes([n % 256, n // 256]) * 16 for n in range(WATCHED_MAX)]
        for _ in range(100):
            ann.send(Watch(1, 2**60, keys, []), Watch(1, 2**60, [], keys))
        assert not rig.paused
        for _ in range(100):
            ann.send(Watch(1, 2**60, keys, []), Watch(1, 2**60, [], keys))
        assert ann.link in rig.paused

    def test_who_does_not_read_is_left_out_and_sees_it_later(self) -> None:
        """Clause 3.9: "A registry leaves changes out when much waits for the reader of a link"."""
        rig, (ann, bob, _) = crowd(3)
        ann.ask(Watch(1, 0, [bob.id], []))
        before = ann.ask(Ping(1))[0]
        assert ann.link is not None
        rig.core.link_backlog(ann.link, LINK_QUEUE_MAX)
        bob.ask(Leave(1))
        assert not ann.notices()
        rig.core.link_backlog(ann.link, 0)
        after = ann.ask(Ping(1))[0]
        assert isinstance(before, TableScope) and isinstance(after, TableScope)
        assert before.digest != after.digest
        assert seen(ann.ask(Watch(2, 0, [bob.id], []))) == [("p001", Presence.AWAY)]


NAMES = ("ann", "Ben", "cem", "bén")
DEEDS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(NAMES), st.sampled_from(Presence), st.integers(0, 3)
    ),
    max_size=30,
)


@given(DEEDS, st.integers(0, 30))
def test_the_index_finds_what_the_table_says(
    deeds: list[tuple[int, str, Presence, int]], loaded: int
) -> None:
    """Whatever changes, and from whatever moment on it is followed. Two may have one name for a
    moment: the later one counts."""
    index, rows, bearers = PeopleIndex(), dict[bytes, Sight](), dict[str, bytes]()
    for place, (who, name, presence, sender) in enumerate(deeds):
        key = bytes([who]) * 32
        sight = Sight(key, name, "", 0, presence, 0, sender, 0, place, "", None)
        before = rows.get(key)
        if before is not None and bearers.get(name_key(before.name)) == key:
            del bearers[name_key(before.name)]
        rows[key] = sight
        if presence is not Presence.RELEASED:
            bearers[name_key(name)] = key
        if place == loaded:
            index = PeopleIndex()
            index.load(sorted(rows.values(), key=lambda one: one.version))
            bearers = {
                name_key(one.name): one.key
                for one in sorted(rows.values(), key=lambda one: one.version)
                if one.presence is not Presence.RELEASED
            }
        elif place > loaded or loaded >= len(deeds):
            index.learn(sight)
    for only_online in (False, True):
        listed = [one.key for one in index.names("", after="", only_online=only_online)]
        assert listed == [
            bearers[key]
            for key in sorted(bearers)
            if not only_online or rows[bearers[key]].presence in ONLINE
        ]
    for name, bearer in bearers.items():
        one = index.named(name)
        assert one is not None and one.key == bearer


def test_the_last_rows_of_released_names_are_not_kept_for_ever() -> None:
    index = PeopleIndex()
    for number in range(RELEASED_TOLD_MAX + 10):
        key = number.to_bytes(32, "big")
        index.learn(Sight(key, "ann", "", 0, Presence.RELEASED, 0, 0, 0, number, "", None))
    assert len(index._people) == RELEASED_TOLD_MAX


@pytest.mark.parametrize("request_", [Watch(1, 0, [], []), Find(1, By.NAME, "p000")])
def test_visitors_are_told_nothing(request_: Watch | Find) -> None:
    """They are not in the table, and need not know who is."""
    rig, _ = crowd(3)
    visitor = rig.peer("")
    visitor.register()
    assert not of(TableScope, visitor.attach())
    assert not visitor.ask(request_)
    assert visitor.link not in rig.closed


def test_what_waits_for_the_table_is_bounded() -> None:
    rig, (alice, bob, *_) = crowd(4)
    interest = rig.core.edge.interest
    interest.begin_anew()
    key = bytes(32)
    for peer, count in ((alice, OWED_MAX + 1), (bob, OWED_MAX)):
        for reference in range(count):
            peer.send(Watch(reference, 0, [key], [key]))
    assert rig.closed == {alice.link: LinkEndReason.OUTPUT_UNREAD}
    assert [len(owed) for owed in interest._owed.values()] == [OWED_MAX]
