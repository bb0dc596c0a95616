"""What a person may see where: one table that all faces pass, each on a real peer.

A row says what happens, and which texts each face then shows. A new thing that people see is a new
row; a face in which it cannot be seen yet is not in it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.requests import KeepDraft
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.peer.sdk.visitor import Visitor
from chatapp.wire.address import Address
from chatapp.wire.messages.desk import EndSession, TakeDuty
from tests.peer.faces.windows import (
    Seen,
    another,
    attached,
    full,
    line,
    own_page,
    pipe,
    scripted_page,
    until,
    visitor_page,
    visitor_prompt,
)
from tests.peer.village import QUICK, Village, next_of, outcome_of, sees, village  # noqa: F401
from tests.support.nodes import node_of

FACES: Final[dict[str, Callable[[Peer], AbstractAsyncContextManager[Seen]]]] = {
    "line": line,
    "pipe": pipe,
    "full": full,
    "attached": attached,
    "own page": own_page,
}
VISITED: Final[dict[str, Callable[[Address, Path], AbstractAsyncContextManager[Seen]]]] = {
    "prompt": visitor_prompt,
    "page": visitor_page,
    "page with script": scripted_page,
}
OPENED: Final = {"full": "> Write to bob", "own page": "Write to bob"}
"""What a face shows when the conversation with bob is open, if it is not a line."""
UNVERIFIED: Final = "unverified: nobody of this name is registered"


class Scene(NamedTuple):
    """Alice and her window, and the others."""

    village: Village
    alice: Peer
    window: Seen
    bob: Peer


async def _claims(scene: Scene) -> None:
    """Somebody claims to be mallory."""
    said = events.Said(
        conversation=person("mallory", is_claimed=True),
        id=901,
        sender="mallory",
        identity=b"m" * 32,
        number=1,
        text="the door is open",
        at=1.0,
        doubt=events.AuthorDoubt.NOT_IN_TABLE,
    )
    node_of(scene.alice).tell([said])
    await scene.window.look_for_news()


async def _sends(scene: Scene) -> None:
    """Alice's message arrives."""
    await scene.window.type("/msg bob see you at noon")


async def _sends_elsewhere(scene: Scene) -> None:
    """Alice says something in another window."""
    async with another(scene.alice) as other:
        await outcome_of(await other.send("bob", "from elsewhere"))


async def _changes_elsewhere(scene: Scene) -> None:
    """Alice changes in another window what she has said."""
    async with another(scene.alice) as other:
        line = await other.send("bob", "helo")
        await outcome_of(line)
        await scene.window.shows("helo")
        await outcome_of(await other.edit(line, "hello"))


def online(peer: Peer, name: str) -> bool:
    return any(one.name == name and one.online for one in peer.people())


async def _keeps(scene: Scene) -> None:
    """Alice writes to bob, who is gone, and so is the registry."""
    await scene.bob.close()
    await until(lambda: not online(scene.alice, "bob"))
    await scene.village.close_registry()
    await scene.window.type("/msg bob see you at noon")


async def _begins_elsewhere(scene: Scene) -> None:
    """Alice begins to type in another window."""
    async with another(scene.alice) as other:
        await other.node.request(KeepDraft(conversation=person("bob"), text="see you"))
        await scene.window.shows("see you")


async def _is_edited(scene: Scene) -> None:
    """Bob changes what he has said."""
    line = await scene.bob.send("alice", "helo")
    await scene.window.shows("helo")
    await scene.bob.edit(line, "hello")


async def _is_seen(scene: Scene) -> None:
    """Bob reads what Alice has said."""
    await scene.window.type("/msg bob see you at noon")
    line = await next_of(scene.bob, events.Said)
    await scene.bob.past.mark_read(person("alice"), line.id)


async def _acts(scene: Scene) -> None:
    """Bob says what he does."""
    await scene.bob.send("alice", "/me waves")


async def _writes_to_somebody_away(scene: Scene) -> None:
    """Alice writes to bob, who is at lunch."""
    await scene.bob.set_status("exam", away="at lunch")
    await until(lambda: any(one.away for one in scene.alice.people()))
    await scene.window.type("/msg bob,alice see you at noon")


async def _is_away(scene: Scene) -> None:
    """Alice is away."""
    await scene.window.type("/away at lunch")


async def _cancels(scene: Scene) -> None:
    """Alice takes back what waits for the registry to say who dave is."""
    await scene.village.close_registry()
    await until(lambda: scene.alice.node.state.is_server_away)
    await scene.window.type("/msg dave oops")
    await until(lambda: not scene.alice.node.state.is_sending)
    await scene.window.shows("Message to dave kept")
    await scene.window.type("/cancel")


Row = tuple[Callable[[Scene], Awaitable[None]], dict[str, tuple[str, ...]]]
TALK: Final[dict[str, Row]] = {
    "a claimed author": (
        _claims,
        dict.fromkeys(("line", "pipe", "attached"), (f"mallory ({UNVERIFIED}): the door is open",))
        | dict.fromkeys(("full", "own page"), ("mallory?", "the door is open", UNVERIFIED)),
    ),
    "an outcome": (
        _sends,
        dict.fromkeys(("line", "attached"), ("/msg bob see you at noon  ✓",))
        | {
            "pipe": ("[Message received by bob.]",),
            "full": ("you  see you at noon", "✓"),
            "own page": ("see you at noon", "mark saved"),
        },
    ),
    "one's own line from elsewhere": (
        _sends_elsewhere,
        dict.fromkeys(("line", "attached"), ("from elsewhere  ✓",))
        | {
            "pipe": ("from elsewhere",),
            "full": ("you  from elsewhere", "✓"),
            "own page": ("from elsewhere", "mark saved"),
        },
    ),
    "one's own change from elsewhere": (
        _changes_elsewhere,
        dict.fromkeys(("line", "pipe", "attached"), ('alice changed "helo" to "hello".]',))
        | {"full": ("you  hello", "(edited)"), "own page": ("hello (edited)",)},
    ),
    "an edited text later": (
        _is_edited,
        dict.fromkeys(("line", "pipe", "attached"), ('[bob changed "helo" to "hello".]',))
        | {"full": ("bob  hello", "(edited)"), "own page": ("hello (edited)",)},
    ),
    "a message that was seen": (
        _is_seen,
        dict.fromkeys(("line", "pipe", "attached"), ('[bob has seen "see you at noon".]',))
        | {"full": ("you  see you at noon", "✓✓"), "own page": ("see you at noon", ">seen<")},
    ),
    "an action": (
        _acts,
        dict.fromkeys(("line", "pipe", "attached"), ("* bob waves",))
        | {"full": ("* bob  waves", "Conversations"), "own page": ("* bob", ">waves<")},
    ),
    "one line to several people, one of them away": (
        _writes_to_somebody_away,
        dict.fromkeys(
            ("line", "pipe", "attached"),
            ("[One message to each of bob and alice.]", "[bob is away: at lunch.]"),
        )
        | {
            "full": ("One message to each of bob and", "bob is away: at lunch", '"exam"'),
            "own page": ("One message to each of bob and alice.", "bob is away: at lunch."),
        },
    ),
    "being away": (
        _is_away,
        dict.fromkeys(("line", "pipe", "attached"), ("Others see that you are away: at lunch.",))
        | {
            "full": ("Others see that you are away: at", "alice · away"),
            "own page": ("Others see that you are away: at lunch.", ">away<"),
        },
    ),
    "a line that is cancelled": (
        _cancels,
        dict.fromkeys(
            ("line", "pipe", "attached"), ("[What you said to dave is cancelled: nobody has it",)
        )
        | {
            "full": ("you  oops", "✗", "What you said to dave is cancelled"),
            "own page": ("oops", "mark lost", "What you said to dave is cancelled"),
        },
    ),
    "what is begun elsewhere": (
        _begins_elsewhere,
        {
            **dict.fromkeys(("line", "attached", "full"), ("> see you",)),
            "own page": ('"draft": ["", "see you"]',),
        },
    ),
    "a kept line": (
        _keeps,
        dict.fromkeys(
            ("line", "attached"),
            ("/msg bob see you at noon  ⧖", "Message to bob kept; it goes out when"),
        )
        | {
            "pipe": ("[Server not responding] Message to bob kept; it goes out when",),
            "full": ("you  see you at noon", "⧖", "Message to bob kept"),
            "own page": ("see you at noon", "mark kept", "Message to bob kept"),
        },
    ),
}


@pytest.mark.parametrize(
    ("row", "face"), [(row, face) for row, (_, seen) in TALK.items() for face in seen]
)
async def test_people_see_it(village: Village, row: str, face: str) -> None:  # noqa: F811
    happens, seen = TALK[row]
    policy = QUICK if happens is _keeps else None
    people = [village.peer(name, gives_marks=True, policy=policy) for name in ("bob", "alice")]
    async with people[0] as bob, people[1] as alice:
        await bob.ready()
        await sees(alice, "bob", online=True)
        with contextlib.closing(Offer(alice)):
            async with FACES[face](alice) as window:
                await window.type("/query bob")
                await window.shows(OPENED.get(face, "[Talking to bob."))
                await happens(Scene(village, alice, window, bob))
                await window.shows(*seen[face])


@pytest.mark.parametrize("face", ["line", "full"])
async def test_what_is_begun_at_a_prompt_that_closes_waits_for_the_next_window(
    village: Village,  # noqa: F811
    face: str,
) -> None:
    async with village.peer("bob") as bob, village.peer("alice") as alice:
        await bob.ready()
        await sees(alice, "bob", online=True)
        async with line(alice) as window:
            await window.type("/query bob")
            await window.shows("[Talking to bob.")
            await window.begin("see you")
            await window.shows("> see you")
        async with FACES[face](alice) as window:
            await window.type("/query bob")
            await window.shows("> see you")


@pytest.mark.parametrize("face", ["line", "full"])
async def test_what_is_begun_waits_for_the_next_start(village: Village, face: str) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        await bob.ready()
        for shown in ("", "> see you"):
            async with village.peer("alice") as alice:
                await sees(alice, "bob", online=True)
                async with FACES[face](alice) as window:
                    await window.type("/query bob")
                    await window.shows(shown or ("> Write" if face == "full" else "[Talking to"))
                    if not shown:
                        await window.begin("see you")
                        await until(lambda: bool(node_of(alice).drafts))


@pytest.mark.parametrize(
    ("face", "seen"),
    [("line", "alice to bob: see you at noon  ⧖"), ("full", "you  see you at noon")],
)
async def test_what_was_kept_is_seen_at_the_next_start(
    village: Village,  # noqa: F811
    face: str,
    seen: str,
) -> None:
    async with village.peer("bob") as bob, village.peer("alice", policy=QUICK) as alice:
        await bob.ready()
        await sees(alice, "bob", online=True)
        await bob.close()
        await village.close_registry()
        assert await outcome_of(await alice.send("bob", "see you at noon")) is MessageState.KEPT
        async with FACES[face](alice) as window:
            await window.type("/history bob")
            await window.shows(seen, "⧖")


# --- the help desk


class Desk(NamedTuple):
    """An operator's window, and the visitor who is served there."""

    operator: Peer
    window: Seen
    visitor: Visitor


async def _says(desk: Desk) -> None:
    """The operator says something."""
    await desk.window.type("how can I help?")


async def _says_elsewhere(desk: Desk) -> None:
    """The operator says something in another window."""
    async with another(desk.operator) as other:
        other.desk.say("from elsewhere")
        await until(lambda: not other.is_sending)


async def _ends(desk: Desk) -> None:
    """The visitor leaves."""
    desk.visitor.say("that was all")
    await desk.visitor.settled()
    await desk.visitor.close(within=1.0)


AT_DESK: Final[dict[str, tuple[Callable[[Desk], Awaitable[None]], dict[str, tuple[str, ...]]]]] = {
    "an outcome": (
        _says,
        {"full": ("you  how can I help?", "✓"), "own page": ("how can I help?", "mark saved")},
    ),
    "one's own line from elsewhere": (
        _says_elsewhere,
        dict.fromkeys(("line", "attached"), ("alice: from elsewhere  ✓",))
        | {
            "pipe": ("alice: from elsewhere",),
            "full": ("you  from elsewhere", "✓"),
            "own page": ("from elsewhere", "mark saved"),
        },
    ),
    "an ended visit": (
        _ends,
        dict.fromkeys(FACES, ("that was all", "Asha Rao has left.")),
    ),
}


@pytest.mark.parametrize(
    ("row", "face"), [(row, face) for row, (_, seen) in AT_DESK.items() for face in seen]
)
async def test_operators_see_it(village: Village, row: str, face: str) -> None:  # noqa: F811
    happens, seen = AT_DESK[row]
    visitor, _ = await village.open_desk("alice")
    async with village.peer("alice") as alice:
        await alice.ready()
        with contextlib.closing(Offer(alice)):
            async with FACES[face](alice) as window:
                alice.desk.ask(TakeDuty(0, ""), entered_at=0.0)
                await window.shows("Asha Rao")
                await happens(Desk(alice, window, visitor))
                await window.shows(*seen[face])
    await visitor.close(within=1.0)


# --- a visitor's page


class Visit(NamedTuple):
    """A visitor's window, and the operator who serves there."""

    window: Seen
    operator: Peer


async def _asks(visit: Visit) -> None:
    """The visitor says something."""
    await visit.window.type("which book?")


async def _asks_elsewhere(visit: Visit) -> None:
    """The visitor says something in another window."""
    await visit.window.type_elsewhere("from elsewhere")


async def _is_over(visit: Visit) -> None:
    """The operator says a last word, and ends the session."""
    desk, now = visit.operator.desk, asyncio.get_running_loop().time()
    desk.say("the red one", entered_at=now)
    await visit.window.shows("the red one")
    desk.ask(EndSession(0, 0), entered_at=now)


SAVED: Final = "mark saved"
VISITS: Final[dict[str, tuple[Callable[[Visit], Awaitable[None]], dict[str, tuple[str, ...]]]]] = {
    "an outcome": (_asks, dict.fromkeys(("page", "page with script"), ("which book?", SAVED))),
    "one's own line from elsewhere": (
        _asks_elsewhere,
        dict.fromkeys(("page", "page with script"), ("from elsewhere", SAVED)),
    ),
    "an ended visit": (
        _is_over,
        dict.fromkeys(("page", "page with script"), ("Thank you for your visit",))
        | {"prompt": ("the red one", "[The operator has ended the session. Bye.]")},
    ),
}


@pytest.mark.parametrize(
    ("row", "face"), [(row, face) for row, (_, seen) in VISITS.items() for face in seen]
)
async def test_visitors_see_it(village: Village, row: str, face: str, tmp_path: Path) -> None:  # noqa: F811
    happens, seen = VISITS[row]
    first, _ = await village.open_desk("alice")
    await first.close(within=1.0)
    async with village.peer("alice") as alice:
        await alice.ready()
        alice.desk.ask(TakeDuty(0, ""), entered_at=0.0)
        async with VISITED[face](Address("127.0.0.1", village.port), tmp_path / "web") as window:
            await window.shows("You are connected.")
            await happens(Visit(window, alice))
            await window.shows(*seen[face])
