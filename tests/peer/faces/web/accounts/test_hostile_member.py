"""A member who writes at the paths of another one, and who asks for more than one person may."""

import asyncio
import contextlib
from typing import Final

from chatapp.peer.faces.web.guard import CROWDED
from chatapp.peer.faces.web.limits import (
    OPENINGS_AT_ONCE,
    OPENINGS_WAITING_PER_NETWORK,
    STREAMS_PER_SESSION,
    TRIES_OF_NETWORK_BURST,
    TRIES_WAITING_PER_NETWORK,
    WINDOWS_MAX,
)
from chatapp.peer.faces.web.members.actions import ACTIONS
from chatapp.peer.words import accounts as words
from tests.peer.faces.web.accounts.desk import PASSPHRASE, Browser, Desk, desk  # noqa: F401
from tests.peer.faces.windows import until
from tests.peer.village import village  # noqa: F401

ELSEWHERE: Final = "198.51.100.9"
PAGES: Final = ("", "log", "events", "file/1", "picture/1")
NOT_HERE: Final = 'id: \ndata: {"gone": true}\n\n'
"""A stream that has nothing but this."""
PATHS: Final = (
    "../../../../etc/passwd",
    "..%2f..%2faccount",
    "%2e%2e/account",
    "1/../../members/account",
    "1/file/../../account",
    "1/file/%00",
    "9" * 400,
    "-1",
    "1e3",
    "\u0663",
)
"""What is no number of a window."""


def number_of(window: str) -> int:
    return int(window.split("/")[2])


async def alice_and_mallory(desk: Desk) -> tuple[Browser, str, Browser, str]:  # noqa: F811
    """Return two browsers, each with a window of its own person."""
    alice, mallory = Browser(desk), Browser(desk, address=ELSEWHERE)
    await alice.make("alice")
    await mallory.make("mallory")
    return alice, await alice.open(), mallory, await mallory.open()


async def test_a_member_does_nothing_at_the_paths_of_another(desk: Desk) -> None:  # noqa: F811
    alice, hers, mallory, his = await alice_and_mallory(desk)
    window = desk.window(number_of(hers))
    await until(lambda: window.view.state.name == "alice")
    before = window.version, window.draft, window.panel
    tag = his.split("/")[1]
    crossed = f"/{tag}/{number_of(hers)}/"  # his session, her window
    for verb in ACTIONS:
        fields = {"text": "owned", "with": "everybody", "room": "lab", "name": "places"}
        at_hers = await mallory.ask(f"{hers}do/{verb}", fields=fields)
        at_crossed = await mallory.ask(f"{crossed}do/{verb}", fields=fields)
        assert (at_hers.status, at_crossed.status) == (403, 410)
    for page in PAGES:
        for place in (hers, crossed):
            answer = await mallory.ask(f"{place}{page}")
            assert answer.status == 303 or answer.text == NOT_HERE
    sent = await mallory.ask(f"{hers}upload?name=x&with=everybody", fields={"x": "y"})
    assert sent.status == 403
    assert (window.version, window.draft, window.panel) == before
    assert (await alice.ask(hers)).status == 200


async def test_what_is_left_of_a_session_that_has_ended_opens_nothing(desk: Desk) -> None:  # noqa: F811
    alice = Browser(desk)
    await alice.make("alice")
    window, recorded = await alice.open(), alice.cookie
    await alice.post("out")
    alice.cookie = recorded
    for page in PAGES:
        answer = await alice.ask(f"{window}{page}")
        assert answer.status == 303 or answer.text == NOT_HERE
    for verb in ACTIONS:
        assert (await alice.ask(f"{window}do/{verb}", fields={})).status == 403
    for form in ("out-everywhere", "passphrase", "export", "remove"):
        assert (await alice.post(form)).status in (200, 403)
    assert not desk.account("alice").is_running
    await alice.sign_in("alice")  # another session: the recorded cookie is still worth nothing
    alice.cookie = recorded
    assert (await alice.ask(window)).headers["location"] == "/members/"


async def test_a_name_is_no_path(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    await browser.open()
    for path in PATHS:
        for place in (f"{browser.place}{path}/", f"{browser.place}{path}", f"/members/{path}"):
            assert (await browser.ask(place)).status in (303, 307, 404)
    assert (await Browser(desk).sign_in(PATHS[0])).status == 403
    assert sorted(one.name for one in (desk.folder / "members").iterdir()) == ["n-alice"]


async def test_windows_and_streams_of_a_member_are_bounded(desk: Desk) -> None:  # noqa: F811
    alice, hers, mallory, his = await alice_and_mallory(desk)
    for _ in range(2 * WINDOWS_MAX):
        await mallory.open()
    (windows,) = desk.account("mallory")._windows.values()
    assert len(windows) == WINDOWS_MAX
    his = await mallory.open()
    told: list[list[bytes]] = [[] for _ in range(3 * STREAMS_PER_SESSION)]
    streams = [asyncio.create_task(mallory.take(f"{his}events", one)) for one in told]
    found = desk.window(number_of(his))
    await until(lambda: sum(stream.done() for stream in streams) == 2 * STREAMS_PER_SESSION)
    assert len(found.streams) == STREAMS_PER_SESSION
    assert (await alice.ask(hers)).status == 200
    await mallory.post("out")
    await asyncio.gather(*streams)


async def test_a_member_who_asks_without_end_stops_at_a_number(desk: Desk) -> None:  # noqa: F811
    """The number is that of the person, whatever browsers they use."""
    alice, hers, mallory, his = await alice_and_mallory(desk)
    second = Browser(desk, address="203.0.113.5")
    await second.sign_in("mallory")
    (session, _) = desk.accounts.sessions.of("n-mallory")
    while desk.accounts.may_ask(session):
        pass
    for browser, place in ((mallory, his), (second, second.place), (mallory, "/members/account")):
        answer = await browser.ask(place)
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
    assert (await mallory.say(his, "more", "everybody")).status == 429
    assert (await alice.ask(hers)).status == 200
    assert (await alice.say(hers, "still here", "everybody")).status == 303


async def test_a_flood_of_wrong_passphrases_keeps_nobody_else_waiting(desk: Desk) -> None:  # noqa: F811
    """Whoever tries has the limits of a network; somebody elsewhere is next in turn."""
    await Browser(desk).make("alice")
    flood = [
        asyncio.create_task(Browser(desk, address=ELSEWHERE).sign_in(f"m{at}", "a wrong one"))
        for at in range(int(TRIES_OF_NETWORK_BURST) + 20)
    ]
    await until(lambda: desk.accounts.tries.turns.waiting(ELSEWHERE) > 1)
    assert (await Browser(desk).sign_in("alice")).status == 303
    tried = sum(one.done() and one.result().status == 403 for one in flood)
    assert tried < TRIES_OF_NETWORK_BURST / 2, "alice waited for the others"
    for one in flood:
        one.cancel()
    assert TRIES_WAITING_PER_NETWORK > TRIES_OF_NETWORK_BURST
    await asyncio.gather(*flood, return_exceptions=True)
    assert desk.accounts.tries.turns.waiting() == 0


async def test_windows_are_opened_a_few_at_a_time_and_who_waits_in_vain_is_told(
    desk: Desk,  # noqa: F811
) -> None:
    alice, mallory = Browser(desk), Browser(desk, address=ELSEWHERE)
    await alice.make("alice")
    await mallory.make("mallory")
    openings = desk.budget.openings
    async with contextlib.AsyncExitStack() as others:
        for _ in range(OPENINGS_AT_ONCE):
            await others.enter_async_context(openings.turn(ELSEWHERE))
        waiting = [
            asyncio.create_task(mallory.ask("/none/")) for _ in range(OPENINGS_WAITING_PER_NETWORK)
        ]
        await until(lambda: openings.waiting() == len(waiting))
        refused = await mallory.ask(mallory.place)
        assert (refused.status, refused.text) == (503, f"{CROWDED.text}\n")
        assert (refused.headers["retry-after"], refused.headers["refresh"]) == ("5", "5")
        hers = asyncio.create_task(alice.ask(alice.place))
        await until(lambda: openings.waiting() == len(waiting) + 1)
    while openings.waiting(alice.address):  # noqa: ASYNC110 - nothing tells whose turn it is
        await asyncio.sleep(0)
    assert sum(one.done() for one in waiting) < len(waiting) / 2, "alice waited for others"
    assert (await hers).status == 303
    await asyncio.gather(*waiting)


async def test_a_stolen_disk_opens_no_folder_and_signs_nobody_in(desk: Desk) -> None:  # noqa: F811
    alice = Browser(desk)
    await alice.make("alice", stay="1")
    cookie = alice.cookie.partition("=")[2]
    (session,) = desk.accounts.sessions.of("n-alice")
    secret = session.opened(cookie)
    key = (desk.account("alice").folder.home / "peers/n-alice/identity.key").read_bytes()
    await desk.accounts.close()  # she stays signed in
    disk = desk.files()
    assert any(name.startswith("signed-in/") for name in disk)
    for hidden in (cookie.encode(), PASSPHRASE.encode(), secret, key):
        assert hidden
        assert all(hidden not in content for content in disk.values())
    desk.start()
    thief = Browser(desk)
    for stolen in (session.id, session.secret.hex(), "0" * 64):
        thief.cookie = f"__Host-chatapp-member={stolen}"
        assert (await thief.ask("/members/account")).headers["location"] == "/members/"
    assert session.opened(session.id) is None


async def test_who_sits_down_at_a_page_left_open_needs_the_passphrase(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    new = {"new": "another one", "again": "another one"}
    for form in ("passphrase", "export", "remove"):
        answer = await browser.post(form, passphrase="a guess", **new)
        assert (answer.status, words.WRONG in answer.text) == (403, True)
    assert (await Browser(desk).sign_in("alice")).status == 303
