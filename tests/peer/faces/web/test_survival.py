"""What outlives a reload, the gateway, the registry and the visitor's absence."""

import errno
import re
import stat
from pathlib import Path

import msgspec
import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.faces.web.cookies import hashed
from chatapp.peer.faces.web.visitors.session import (
    ABSENT_AFTER,
    CLOCKS_DIFFER_BY,
    GONE_AFTER,
    OVER_FOR,
    RATES_WITHIN,
)
from chatapp.peer.faces.web.visitors.store import GatewayFolder, GatewayRuns, StoredSession
from chatapp.wire.messages.desk import TICKET_SIZE
from tests.peer.faces.web.asking import HOST, ask
from tests.peer.faces.web.town import FORM, WebDesk, web_desk


def session_files(desk: WebDesk) -> list[Path]:
    return sorted(desk.files.glob("web/*/sessions/*.json"))


async def test_a_gateway_that_was_killed_goes_on_with_every_visit(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        cem = await desk.visitor("Cem")
        await asha.post("/say", {"text": "one <b>"})
        await desk.type("hello")
        await asha.until("hello")
        for question in ("are you there?", "and now?"):
            await desk.kill_gateway()
            await desk.type(question)
            desk.start_gateway()
            await asha.until(question)
        await asha.post("/say", {"text": "two"})
        await desk.shows("two")
        said = re.findall(r'dir="auto">([^<]*)', await asha.get())
        assert said == ["one &lt;b&gt;", "hello", "are you there?", "and now?", "two"]
        assert asha.page.count("mark saved") == 2
        await cem.until("1 person is ahead of you.")
        await desk.type(".next")
        await ben.until("Say hello!")
        await cem.until("You are next.")
        assert len(desk.gateway.sessions) == 3


async def test_a_visit_goes_on_in_its_language_if_there_still_is_such_a_language(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        (file,) = session_files(desk)
        stored = msgspec.json.decode(file.read_bytes(), type=StoredSession)
        for language, shown in (("hi", "hi"), ("tlh", "en")):
            await desk.kill_gateway()
            file.write_bytes(
                msgspec.json.encode(msgspec.structs.replace(stored, language=language))
            )
            desk.start_gateway()
            (session,) = desk.gateway.sessions.values()
            assert session.language == shown
            assert f'lang="{shown}"' in await asha.get("/")


async def test_a_registry_that_was_killed_keeps_the_places_and_the_talk(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        await asha.post("/say", {"text": "one"})
        await desk.kill_registry()
        await ben.until("does not answer just now. You need not do anything: your place is kept.")
        await asha.until("does not answer just now.")
        assert "mark sending" in await asha.post("/say", {"text": "two"})
        assert "How can we help?" not in await desk.browser().get()
        desk.shown.clear()
        await desk.start_registry()
        await asha.until("Say hello!")
        await desk.type(".on")
        await desk.shows("two")
        page = await asha.get()
        assert ("does not answer" not in page, page.count("mark saved")) == (True, 2)
        assert "You are next." in await ben.get()
        assert visit_events.ServerBack() in desk.told


async def test_a_line_that_comes_while_the_gateway_starts_is_said_once_and_never_lost(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        await desk.kill_gateway()
        desk.start_gateway()
        await asha.post("/say", {"text": "at once", "key": "1"})
        await desk.shows("at once")
        await desk.kill_gateway()
        await desk.kill_registry()
        desk.start_gateway()
        page = await asha.post("/say", {"text": "later", "key": "2"})
        assert (asha.status, "Not sent: the help desk does not answer" in page) == (503, True)
        await desk.start_registry()
        await asha.until("Say hello!")
        await desk.type(".on")
        await asha.post("/say", {"text": "later", "key": "2"})
        await desk.shows("later")
        assert (await asha.get()).count("later</p>") == 1


async def test_a_description_counts_as_saved_only_when_the_registry_has_it(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha = await desk.visitor("Asha")
        script = {"accept": "application/json"}
        await asha.post("/about", {"about": "one"}, **script)
        assert asha.status == 204
        await desk.kill_registry()
        assert "Not saved yet" in await asha.post("/about", {"about": "two"}, **script)
        assert asha.status == 503
        await desk.start_registry()
        await desk.shows("two")
        await asha.until("Say hello!")
        await asha.post("/leave")
        await asha.post("/about", {"about": "three"}, **script)
        assert asha.status == 410


async def test_what_is_said_on_the_page_of_a_talk_waits_for_the_next_turn(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha = await desk.visitor("Asha")
        await asha.post("/say", {"text": "still there?", "key": "1"})
        await asha.until("What you wrote is kept for the operator.")
        await desk.type(".on")
        await desk.shows("Asha: still there?")
        assert not any(line.startswith("Says:") for line in desk.shown)
        assert "mark saved" in await asha.get()


async def test_a_line_that_a_page_sends_again_after_restarts_is_said_once(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        (session,) = desk.gateway.sessions.values()
        first, second = (str(int(session._wall() * 1_000_000) + number) for number in (1, 2))
        await asha.post("/say", {"text": "one", "key": first})
        await desk.shows("Asha: one")
        await desk.kill_registry()
        assert "mark sending" in await asha.post("/say", {"text": "two", "key": second})
        await desk.kill_gateway()  # only the page has the second line now
        await desk.start_registry()
        for _ in range(2):
            desk.start_gateway()
            for text, key in (("one", first), ("two", second)):
                await asha.post("/say", {"text": text, "key": key})
            await asha.until("two</p>")
            await desk.kill_gateway()
        desk.start_gateway()
        await desk.type(".on")
        await desk.shows("Asha: two")
        await asha.post("/say", {"text": "three"})
        await desk.shows("Asha: three")
        page = await asha.get()
        assert [page.count(f">{text}</p>") for text in ("one", "two", "three")] == [1, 1, 1]
        assert f'data-key="{second}"' in page


@pytest.mark.parametrize("key", ["9" * 18, "9" * 19, "-1", "1e5", "\u0663", "0", "1", "x" * 64])
async def test_a_key_of_a_hostile_page_costs_nobody_a_line(tmp_path: Path, key: str) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        for text in ("one", "one", "two"):
            await asha.post("/say", {"text": text, "key": key if text == "one" else ""})
        await desk.shows("Asha: two")
        assert desk.shown.count("Asha: one") == 1
        (session,) = desk.gateway.sessions.values()
        conversation = session.visitor._open_node().core._visit._conversation._conversation
        assert conversation is not None
        latest = (session._wall() + CLOCKS_DIFFER_BY) * 1_000_000
        assert max(conversation._numbers) <= latest + 2


async def test_who_leaves_while_the_registry_is_away_has_left_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        await desk.kill_registry()
        assert "You are leaving." in await asha.post("/leave")
        await desk.start_registry()
        await asha.until("You have left the help desk.")
        await ben.until("Say hello!")


async def test_a_rating_that_finds_no_registry_is_sent_when_it_is_back(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        await desk.type(".next")
        await asha.until("How was it?")
        await desk.kill_registry()
        await desk.wait(30.0)
        assert "Your rating is being sent" in await asha.post("/rate", {"rating": "4"})
        await desk.start_registry()
        await asha.until("Your rating has arrived.")


async def test_a_pause_that_is_lost_with_its_link_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha = await desk.visitor("Asha")
        ben = await desk.visitor("Ben")
        window = desk.window(ben)
        (session, _) = desk.gateway.sessions.values()
        with monkeypatch.context() as lost:
            lost.setattr(session.visitor, "pause", lambda *, is_paused: None)
            await desk.wait(ABSENT_AFTER + 1.0)
            was_paused = session.view.is_paused
        await desk.wait(10.0)
        assert (was_paused, session.view.is_paused) == (False, True)
        with monkeypatch.context() as lost:
            lost.setattr(session.visitor, "pause", lambda *, is_paused: None)
            assert "Others are called first." in await asha.get()
        asha_looks = desk.window(asha)
        await asha_looks.sees("status", "You are next.")
        assert "Others are called first." not in await asha.get()
        await asha_looks.close()
        await window.close()


async def test_a_gateway_that_starts_again_takes_nobody_for_present(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        await desk.kill_gateway()
        desk.start_gateway()
        await desk.wait(3.0)
        window = desk.window(ben, since="")
        await desk.wait(2.0)
        await desk.type(".on")
        await desk.shows("Name: Ben")
        assert "Others are called first." not in await asha.get()
        assert "You are next." in asha.page
        await window.close()


async def test_a_registry_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.stop_gateway()
        await desk.kill_registry()
        desk.start_gateway()
        asha = desk.browser()
        assert "One moment, please" in await asha.until("The help desk does not answer just now.")
        assert "One moment, please" in await asha.join()
        assert "How can we help?" not in asha.page
        assert '<meta http-equiv="refresh" content="5"></head>' in asha.page
        await desk.start_registry()
        await asha.until("How can we help?")


async def test_a_form_that_is_sent_while_the_gateway_starts_is_not_lost(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.kill_gateway()
        desk.start_gateway()
        assert "Say hello!" in await desk.browser().join()
        await desk.stop_gateway()
        desk.start_gateway()
        assert "How can we help?" in await desk.browser().get()


async def test_files_and_cookies_give_no_secret_away(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        name, secret = asha.cookie.split("=")
        (file,) = session_files(desk)
        assert (name, file.stem) == ("chatapp-desk", hashed(secret))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        kept = b"".join(path.read_bytes() for path in desk.files.rglob("*") if path.is_file())
        assert secret.encode() not in kept
        assert b"Asha" not in kept
        assert b"98765" not in kept
        other = desk.browser()
        for stolen in (
            f"{name}={file.stem}",
            f"{name}={secret[:-1]}",
            f"{name}={'0' * 64}",
            f"{name}=../x",
        ):
            other.cookie = stolen
            assert "How can we help?" in await other.get()
        await asha.post("/leave")
        assert session_files(desk) == []


async def test_a_cookie_is_as_strict_as_the_way_to_the_page_allows(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        plain = await ask(desk.app.asgi, "/join", fields=FORM)
        secure = await ask(
            desk.app.asgi, "/join", fields=FORM, scheme="https", origin=f"https://{HOST}"
        )
        shape = r"{}=[0-9a-f]{{64}}; HttpOnly; Max-Age=86400; Path=/; SameSite=strict{}"
        assert re.fullmatch(shape.format("chatapp-desk", ""), plain.cookies[0])
        assert re.fullmatch(shape.format("__Host-chatapp-desk", "; Secure"), secure.cookies[0])


async def test_a_link_of_another_site_finds_the_visit_again(tmp_path: Path) -> None:
    """The browser does not show a strict cookie there, so the page opens itself again."""
    async with web_desk(tmp_path) as desk:
        page = await desk.browser().get("/", sec_fetch_site="cross-site")
        assert '<meta http-equiv="refresh" content="0; url=./">' in page
        assert "How can we help?" in await desk.browser().get("/", sec_fetch_site="same-origin")


async def test_others_go_first_while_nobody_looks_and_the_place_is_given_up_at_last(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        window = desk.window(ben)
        await desk.wait(ABSENT_AFTER + 5.0)
        await desk.type(".on")
        await desk.shows("Name: Ben")
        assert "Others are called first." not in await asha.get()
        assert "You are next." in asha.page
        await desk.wait(GONE_AFTER + 5.0)
        assert "How can we help?" in await asha.get()
        assert session_files(desk) == session_files(desk)[:1]
        assert "Say hello!" in await ben.get()
        await window.close()


async def test_an_absence_is_remembered_by_a_gateway_that_was_killed(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha = await desk.visitor("Asha")
        await desk.wait(ABSENT_AFTER + 5.0)
        await desk.kill_gateway()
        desk.start_gateway()
        await desk.wait(2.0)
        await asha.get()
        await desk.type(".on")
        await asha.until("Say hello!")


async def test_the_last_page_stays_for_a_while(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        await asha.post("/say", {"text": "Which book?"})
        await desk.type(".next")
        await asha.until("How was it?")
        await desk.wait(RATES_WITHIN + 2.0)
        assert "How was it?" not in await asha.get()
        assert "Which book?" in asha.page
        assert "Thank you for your visit" in await asha.post("/rate", {"rating": "3"})
        assert "Thank you for your visit" in await asha.post("/leave")
        assert "Thank you for your visit" in await asha.post("/say", {"text": "hello?"})
        await desk.wait(OVER_FOR)
        assert "How can we help?" in await asha.get()
        assert desk.gateway.sessions == {}


async def test_a_full_disk_is_told_once_and_joins_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    async with web_desk(tmp_path) as desk:
        with monkeypatch.context() as disk:
            disk.setattr("chatapp.peer.faces.web.visitors.store.write_whole", full)
            asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
            for visitor in (asha, ben):
                assert "Your place cannot be stored just now." in await visitor.get()
            told = [event for event in desk.told if isinstance(event, visit_events.TicketNotStored)]
            assert [event.error for event in told] == ["No space left on device"]
        await asha.until("Say hello!")
        await ben.until("You are next.")


async def test_a_request_that_ends_after_the_visit_has_no_effect(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        await desk.visitor("Asha")
        (session,) = desk.gateway.sessions.values()
        await desk.gateway.drop(session)
        await desk.gateway.drop(session)
        await session.say("too late", key="")
        await session.describe("too late")
        await session.pause(is_paused=True)
        await session.rate(3)
        await session.leave()
        assert not session.touch()
        assert session.description == ""
        assert list(session.view.lines) == []


async def test_a_bug_in_one_session_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        await desk.visitor("Asha")
        ben = await desk.visitor("Ben")
        first, _ = desk.gateway.sessions.values()

        def broken() -> bool:
            raise ZeroDivisionError

        monkeypatch.setattr(first, "tend", broken)
        await ben.until("You are next.")
        assert len(desk.gateway.sessions) == 1
        assert "fault of a web session: ZeroDivisionError()" in caplog.text


def test_two_gateways_never_share_a_folder_and_damage_costs_one_place(tmp_path: Path) -> None:
    folder = GatewayFolder(tmp_path, "127.0.0.1:5000")
    with pytest.raises(GatewayRuns, match="is used by another web desk"):
        GatewayFolder(tmp_path, "127.0.0.1:5000")
    GatewayFolder(tmp_path, "127.0.0.1:5001").close()
    good, bad = folder.file_of("0" * 32), folder.file_of("1" * 32)
    stored = StoredSession(visit=StoredVisit(ticket=bytes(TICKET_SIZE)), language="en")
    good.write_bytes(msgspec.json.encode(stored))
    bad.write_bytes(b"{")
    bad.with_suffix(".json.new").write_bytes(b"")
    assert list(folder.sessions()) == [("0" * 32, stored)]
    assert [type(damage) for damage in folder.damage] == [visit_events.TicketDamaged]
    assert not bad.exists()
    folder.close()
