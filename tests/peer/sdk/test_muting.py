"""Conversations that do not ring: the same in all windows, and after a restart."""

import asyncio

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person, room
from tests.peer.sdk.test_attached import attached, offered
from tests.peer.village import WITHIN, Village, next_of, outcome_of, village  # noqa: F401
from tests.support.nodes import node_of

HOUR = 3_600


async def test_all_windows_know_what_is_muted_and_so_does_the_next_run(
    village: Village,  # noqa: F811
) -> None:
    async with asyncio.timeout(WITHIN), village.peer("bob") as bob:
        async with offered(village, "alice") as alice, attached(village, "alice") as face:
            await outcome_of(await alice.send("bob", "hi"))
            face.enter_room("Lab")
            await face.rooms_settled()
            assert await face.trust.mute(person("BOB")) == events.Muted(
                conversation=person("bob"), is_muted=True
            )
            told = await alice.trust.mute(room("lab"), HOUR)
            assert isinstance(told, events.Muted)
            assert (told.conversation, told.is_muted) == (room("Lab"), True)
            assert await face.trust.mute(EVERYBODY) == events.Muted(
                conversation=EVERYBODY, is_muted=True
            )
            for peer in (alice, face):
                assert peer.muted == (person("bob"), room("Lab"), EVERYBODY)
            assert await face.trust.mute(person("eve")) == events.NobodyKnown(name="eve")
            assert await face.trust.mute(room("den")) == events.NotInRoom(room="den")
            await face.trust.mute(EVERYBODY, 0)
            far = await alice.trust.mute(EVERYBODY, 10**30)
            assert isinstance(far, events.Muted) and 0 < far.until < 1 << 40
            await face.trust.mute(EVERYBODY, 0)
            await bob.send("alice", "@alice is no mention in a talk of two")
        async with village.peer("alice") as again:
            assert set(again.muted) == {person("bob"), room("Lab")}
            node = node_of(again)
            later = node.core.muting.conversations(now=node.now() + HOUR + 1)
            assert later == (person("bob"),)


async def test_unread_mentions_are_known_at_the_next_start(
    village: Village,  # noqa: F811
) -> None:
    async with (
        asyncio.timeout(WITHIN),
        village.peer("bob", rooms="lab") as bob,
        village.peer("alice", rooms="lab") as alice,
    ):
        await alice.rooms_settled()
        await bob.rooms_settled()
        for number, text in enumerate(("alice?", "@alice?"), 1):
            await outcome_of(await bob.say("lab", text))
            while (await next_of(alice, events.Said)).text != text:
                pass
            (state,) = await alice.past.conversations()
            assert (state.unread, state.is_addressed) == (number, number == 2)
