"""Members of a web desk: signing in and out, over restarts, and what a stranger can do."""

import asyncio
import re
import threading
from typing import Final

import pytest

from chatapp.peer.faces.web.limits import (
    NODE_STAYS,
    SESSION_LASTS_FOR,
    SESSIONS_PER_ACCOUNT,
    TRIES_BURST,
)
from chatapp.peer.words import accounts as words
from tests.peer.faces.web.accounts.desk import PASSPHRASE, Browser, Desk, desk  # noqa: F401
from tests.peer.faces.windows import until
from tests.peer.village import WITHIN, village  # noqa: F401

FORMS: Final = ("in", "new", "out", "out-everywhere", "passphrase", "export", "remove")


async def test_a_member_signs_in_and_talks_and_leaves_nothing_open(desk: Desk) -> None:  # noqa: F811
    alice, bob = Browser(desk), Browser(desk, address="198.51.100.9")
    assert (await alice.make("alice")).status == 303
    assert (await bob.make("bob")).status == 303
    there, here = await alice.open(), await bob.open()
    await alice.until(there, "bob")
    assert (await alice.say(there, "hello bob", "person:bob")).status == 303
    await bob.until(f"{here}?with=person:alice", "hello bob")

    # Signing out ends the node, seals the folder, and takes the cookie back.
    secret = (desk.account("alice").folder.home / "peers/n-alice/identity.key").read_bytes()
    answer = await alice.post("out")
    assert words.SIGNED_OUT in answer.text
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert alice.cookie == "__Host-chatapp-member"
    names = [name for name in desk.files() if name.startswith("members/n-alice")]
    assert sorted(names) == ["members/n-alice/account", "members/n-alice/sealed"]
    assert all(secret not in content for name, content in desk.files().items())
    assert all(
        b"hello bob" not in content for name, content in desk.files().items() if name in names
    )

    # What is said meanwhile waits at the registry, and is there when she comes again.
    await bob.until(here, "away")
    await bob.say(here, "are you there?", "person:alice")
    assert (await alice.sign_in("alice")).status == 303
    there = await alice.open()
    await alice.until(f"{there}?with=person:bob", "are you there?")
    await alice.until(f"{there}?with=person:bob", "hello bob")


async def test_nobody_learns_whether_a_name_has_an_account(desk: Desk) -> None:  # noqa: F811
    assert (await Browser(desk).make("alice")).status == 303
    wrong = await Browser(desk).sign_in("alice", "another passphrase")
    unknown = await Browser(desk).sign_in("bobby", "another passphrase")
    nonsense = await Browser(desk).sign_in("../../etc", "another passphrase")
    assert [one.status for one in (wrong, unknown, nonsense)] == [403, 403, 403]
    assert words.WRONG in wrong.text
    assert wrong.text.replace("alice", "X") == unknown.text.replace("bobby", "X")
    assert wrong.cookies == unknown.cookies == []


async def test_tries_are_limited_for_a_name_and_a_network(desk: Desk) -> None:  # noqa: F811
    await Browser(desk).make("alice")
    guesser, elsewhere = Browser(desk), Browser(desk, address="198.51.100.9")
    for _ in range(int(TRIES_BURST)):
        assert (await guesser.sign_in("alice", "a wrong one")).status == 403
    late = await guesser.sign_in("alice")
    assert (late.status, late.cookies) == (429, [])
    assert (await elsewhere.sign_in("alice")).status == 303


async def test_right_passphrases_cost_no_tries(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    for _ in range(int(TRIES_BURST) + 2):
        assert (await browser.sign_in("alice")).status == 303
    assert len(list(desk.accounts.sessions.of("n-alice"))) == 1


async def test_a_browser_gets_a_cookie_that_nobody_has_chosen(desk: Desk) -> None:  # noqa: F811
    planted = f"__Host-chatapp-member={'ab' * 32}"
    browser = Browser(desk)
    browser.cookie = planted
    answer = await browser.make("alice")
    assert browser.cookie not in ("", planted)
    (cookie,) = answer.cookies
    assert re.fullmatch(
        "__Host-chatapp-member=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=strict; Secure", cookie
    )
    first, mine = browser.cookie, await browser.open()
    browser.place = "/members/"
    await browser.sign_in("alice", stay="1")
    assert browser.cookie != first
    browser.cookie = first  # the one before is worth nothing
    assert (await browser.ask(mine)).headers["location"] == "/members/"


async def test_a_browser_that_is_to_stay_keeps_its_cookie(desk: Desk) -> None:  # noqa: F811
    answer = await Browser(desk).make("alice", stay="1")
    assert "Max-Age=2592000" in answer.cookies[0]


async def test_no_other_site_and_no_plain_http_signs_in(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    for form in FORMS:
        fields = {"name": "alice", "passphrase": PASSPHRASE}
        foreign = await browser.ask(
            f"/members/{form}", fields=fields, origin="https://evil.example"
        )
        unnamed = await browser.ask(f"/members/{form}", fields=fields, origin=None)
        assert (foreign.status, unnamed.status) == (403, 403)
    for form in ("in", "new"):
        open_way = {"scheme": "http", "origin": "http://desk.example"}
        answer = await Browser(desk).ask(f"/members/{form}", fields=fields, **open_way)
        assert (answer.status, answer.cookies) == (403, [])
        assert words.NO_TLS in answer.text
        here = await Browser(desk, address="127.0.0.1").ask(
            "/members/in", fields=fields, **open_way
        )
        assert here.status == 303


async def test_what_is_left_of_another_session_does_nothing(desk: Desk) -> None:  # noqa: F811
    """A shared computer: alice has left a page open, and bob signs in in the same browser."""
    browser = Browser(desk)
    await browser.make("alice")
    left = await browser.open()
    await browser.make("bob")
    said = await browser.say(left, "by mistake", "everybody")
    assert (said.status, said.text) == (403, words.NOT_HERE)
    assert (await browser.ask(left)).headers["location"] == "/members/"
    stranger = Browser(desk)
    assert (await stranger.ask(left)).headers["location"] == "/members/"
    assert (await stranger.ask("/members/account")).headers["location"] == "/members/"
    for verb in ("say", "trust", "panel"):
        assert (await stranger.ask(f"{left}do/{verb}", fields={})).status == 403


async def test_signing_out_everywhere_ends_all_pages(desk: Desk) -> None:  # noqa: F811
    one, other = Browser(desk), Browser(desk)
    await one.make("alice")
    await other.sign_in("alice")
    window = await other.open()
    told: list[bytes] = []
    stream = asyncio.create_task(other.take(f"{window}events", told))
    await one.open()
    number = int(window.split("/")[2])
    await until(lambda: bool(desk.window(number).streams))
    await one.post("out-everywhere")
    await stream
    assert b'{"locked": true}' in b"".join(told)
    assert not desk.account("alice").is_running
    for browser in (one, other):
        assert (await browser.ask(window)).headers["location"] == "/members/"


async def test_one_browser_signs_out_and_the_other_goes_on(desk: Desk) -> None:  # noqa: F811
    one, other = Browser(desk), Browser(desk)
    await one.make("alice")
    await other.sign_in("alice")
    window = await other.open()
    await one.post("out")
    assert desk.account("alice").is_running
    assert (await other.ask(window)).status == 200


async def test_a_request_under_way_opens_nothing_again_after_signing_out(
    desk: Desk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Browser(desk)
    await browser.make("alice")
    place, account = browser.place, desk.account("alice")
    await account.close()
    goes_on, unseal = threading.Event(), account.folder.unseal

    def slowly(secret: bytes) -> None:
        goes_on.wait(WITHIN)
        unseal(secret)

    monkeypatch.setattr(account.folder, "unseal", slowly)
    late = asyncio.create_task(browser.ask(place))
    await until(account._turn.locked)
    out = asyncio.create_task(browser.post("out"))
    await until(lambda: bool(account._turn._waiters))
    goes_on.set()
    assert words.SIGNED_OUT in (await out).text
    assert (await late).headers["location"] == "/members/"
    assert not account.is_running
    assert not account.folder.is_open


async def test_too_many_browsers_and_sessions_that_are_over(desk: Desk) -> None:  # noqa: F811
    first = Browser(desk)
    await first.make("alice")
    window = await first.open()
    for _ in range(SESSIONS_PER_ACCOUNT):
        await Browser(desk).sign_in("alice")
    assert (await first.ask(window)).headers["location"] == "/members/"
    sessions = desk.accounts.sessions
    assert len(list(sessions.of("n-alice"))) == SESSIONS_PER_ACCOUNT
    now = sessions._wall()
    sessions._wall = lambda: now + SESSION_LASTS_FOR + 1  # type: ignore[misc]
    assert len(sessions.over()) == SESSIONS_PER_ACCOUNT
    assert sessions.find(sessions.over()[0].id) is None


async def test_a_restart_goes_on_where_it_was(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await Browser(desk).make("bob")
    await browser.make("alice")
    window = await browser.open()
    await browser.until(window, "bob")
    await browser.say(window, "before", "person:bob")
    await browser.until(f"{window}?with=person:bob", "before")
    await desk.start_again()
    assert all("open" not in name for name in desk.files())
    again = await browser.ask(window)
    assert again.headers["location"] == "../"  # a new window of the same session
    new = await browser.open()
    assert new != window
    await browser.until(f"{new}?with=person:bob", "before")


async def test_a_folder_that_a_crash_has_left_open_is_sealed(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    folder = desk.account("alice").folder
    await desk.accounts.close()
    folder.unseal(_secret(desk, browser))
    assert folder.is_open
    desk.start()
    await until(lambda: not folder.is_open)
    await browser.open()


def _secret(desk: Desk, browser: Browser) -> bytes:  # noqa: F811
    (session,) = desk.accounts.sessions.of("n-alice")
    secret = session.opened(browser.cookie.partition("=")[2])
    assert secret is not None
    return secret


async def test_a_node_that_nobody_uses_ends_and_comes_back_by_itself(desk: Desk) -> None:  # noqa: F811
    browser, bob = Browser(desk), Browser(desk)
    await browser.make("alice")
    await bob.make("bob")
    here = await bob.open()
    account = desk.account("alice")
    account._used_at -= NODE_STAYS
    assert account.tend()
    await account.close()
    assert not account.folder.is_open
    await bob.until(here, "away")
    await bob.say(here, "wake up", "person:alice")
    window = await browser.open()
    await browser.until(f"{window}?with=person:bob", "wake up")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "../../x"}, 422),
        ({"name": ""}, 422),
        ({"name": "a\x00b"}, 422),
        ({"name": "everybody"}, 422),
        ({"name": "x" * 200}, 422),
        ({"passphrase": "short", "again": "short"}, 422),
        ({"again": "something else"}, 422),
        ({"passphrase": "x" * 300, "again": "x" * 300}, 422),
        ({"name": "x" * 600}, 413),
        ({"code": "no code"}, 422),
    ],
)
async def test_what_makes_no_account_leaves_no_file(
    desk: Desk,  # noqa: F811
    fields: dict[str, str],
    status: int,
) -> None:
    sent = {"name": "alice", "passphrase": PASSPHRASE, "again": PASSPHRASE} | fields
    answer = await Browser(desk).post("new", **sent)
    assert (answer.status, answer.cookies) == (status, [])
    assert desk.files() == {}
    assert len(desk.accounts) == 0


async def test_a_name_has_one_bearer_and_the_accounts_have_an_end(desk: Desk) -> None:  # noqa: F811
    async with desk.village.peer("carol"):
        taken = await Browser(desk).make("carol")
    assert (taken.status, "Somebody else has the name" in taken.text) == (422, True)
    await Browser(desk).make("alice")
    again = await Browser(desk).make("ALICE", "another passphrase")
    assert (again.status, "Somebody else has the name" in again.text) == (422, True)
    assert len(desk.accounts) == 1
    for name in ("b1", "b2", "b3", "b4"):
        assert (await Browser(desk).make(name)).status == 303
    full = await Browser(desk).make("b5")
    assert (full.status, words.FULL in full.text) == (503, True)


async def test_two_who_want_one_name_at_once_get_one_account(desk: Desk) -> None:  # noqa: F811
    made = await asyncio.gather(*(Browser(desk).make("alice") for _ in range(3)))
    assert sorted(one.status for one in made) == [303, 422, 422]


async def test_with_the_registry_away_people_sign_in_and_write(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await Browser(desk).make("bob")
    await browser.make("alice")
    await browser.until(await browser.open(), "bob")
    await browser.post("out")
    await desk.village.close_registry()
    assert (await browser.sign_in("alice")).status == 303
    window = await browser.open()
    await browser.say(window, "later", "person:bob")
    await browser.until(f"{window}?with=person:bob", "later")
