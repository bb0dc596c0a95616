"""Many visitors, and visitors who do too much."""

import socket
from pathlib import Path

import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form
from chatapp.peer.core.desk.visit import Stage, Visit
from chatapp.peer.faces.web.limits import ACTIONS_BURST
from chatapp.peer.faces.web.visitors.gateway import LOOK_AGAIN_AFTER
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.view.visit import VisitStage
from chatapp.wire.limits import DESK_VISITS_PER_ADDRESS
from tests.peer.faces.web.asking import ask
from tests.peer.faces.web.town import web_desk

SCRIPT = {"accept": "application/json"}


async def test_more_visitors_of_one_address_find_their_place_than_without_a_gateway(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.stop_gateway()
        desk.start_gateway()
        fingerprint = desk.gateway.fingerprint
        await desk.kill_registry()
        desk.gateways = (fingerprint.replace(" ", ""),)
        await desk.start_registry()
        await desk.wait(40.0)
        await desk.type(".off")
        crowd = DESK_VISITS_PER_ADDRESS + 4
        for _ in range(crowd):
            last = await desk.visitor("Asha")
        stages = [session.view.stage for session in desk.gateway.sessions.values()]
        assert stages == crowd * [VisitStage.WAITING]
        assert f"{crowd - 1} people are ahead of you." in await last.get()


async def test_requests_are_counted_by_the_clock_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.guard.REQUESTS_BURST", 2.0)
    monkeypatch.setattr("chatapp.peer.faces.web.guard.REQUESTS_PER_SECOND", 0.001)
    async with web_desk(tmp_path) as desk:
        browser = desk.browser()
        for status in (200, 200, 429):
            await browser.get()
            assert browser.status == status
        await desk.wait(1_000.0)
        await browser.get()
        assert browser.status == 200


async def test_each_limit_of_sessions_is_told_on_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "chatapp.peer.faces.web.visitors.gateway"
    async with web_desk(tmp_path) as desk:
        monkeypatch.setattr(f"{where}.SESSIONS_PER_ADDRESS", 1)
        await desk.visitor("Asha")
        ben = desk.browser()
        assert "Too many people of your address" in await ben.join(name="Ben")
        assert ben.status == 429
        assert 'value="Ben"' in ben.page
        other = desk.browser(address="192.0.2.8")
        assert "You are next." in await other.join(name="Ben")
        monkeypatch.setattr(f"{where}.SESSIONS_MAX", 2)
        late = desk.browser(address="192.0.2.9")
        assert "Too many people are here" in await late.join()


async def test_a_form_that_the_registry_has_no_room_for_is_shown_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.visitor("Asha")

        def refuse(self: Visit, form: Form) -> None:
            self.stage = Stage.OVER
            self._tell(visit_events.VisitRefused(reason=visit_events.DeskRefusal.GATEWAY_FULL))

        monkeypatch.setattr(Visit, "join", refuse)
        ben = desk.browser()
        assert 'value="Ben"' in await ben.join(name="Ben")
        assert (ben.status, ben.cookie, len(desk.gateway.sessions)) == (429, "", 1)


async def test_the_name_of_the_registry_is_looked_up_once_for_all_visits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def look_up(name: str, port: None, *, type: int) -> list[tuple[object, ...]]:  # noqa: A002 - as getaddrinfo calls it
        names.append(name)
        return [(socket.AF_INET, type, 0, "", ("10.0.0.1", 0))]

    monkeypatch.setattr("chatapp.wire.aio.hosts.socket.getaddrinfo", look_up)
    async with web_desk(tmp_path) as desk:
        await desk.stop_gateway()
        desk.start_gateway(server="desk.example")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        assert "Say hello!" in await asha.get()
        assert "You are next." in await ben.get()
        assert names == ["desk.example"]


async def test_requests_that_come_together_look_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".close")
        await desk.wait(LOOK_AGAIN_AFTER)
        looks: list[Visitor] = []
        opened = Visitor.open

        def open_and_note(visitor: Visitor) -> None:
            looks.append(visitor)
            opened(visitor)

        monkeypatch.setattr(Visitor, "open", open_and_note)
        desk.gateway.front.closed = visit_events.DeskClosed(text="", opens_at=0, is_waiting=False)
        desk.told.clear()
        for _ in range(8):
            desk.gateway.look_again()
        await desk.wait(5.0)
        assert len(looks) == 1
        assert visit_events.GatewayUnknown() not in desk.told


async def test_a_form_that_is_sent_twice_joins_once(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        assert "Say hello!" in await asha.join()
        assert len(desk.gateway.sessions) == 1


async def test_a_line_that_is_sent_twice_is_said_once(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        for _ in range(2):
            await asha.post("/say", {"text": "hello", "key": "1"})
        await asha.post("/say", {"text": "hello", "key": "2"})
        assert (await asha.get()).count("hello</p>") == 2


async def test_scripts_get_words_instead_of_pages(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        with_cookie = {**SCRIPT, "cookie": asha.cookie}
        said = await ask(desk.app.asgi, "/say", fields={"text": "hello"}, headers=with_cookie)
        assert (said.status, said.text) == (204, "")
        empty = await ask(desk.app.asgi, "/say", fields={"text": " \n"}, headers=with_cookie)
        assert (empty.status, empty.text) == (422, "Type a message first.")
        long = await ask(
            desk.app.asgi, "/say", fields={"text": "\u00e4" * 32_769}, headers=with_cookie
        )
        assert long.status == 413
        assert long.text == "Not sent: that has 65,538 bytes, and a message has at most 65,536."
        gone = await ask(desk.app.asgi, "/say", fields={"text": "x"}, headers=SCRIPT)
        assert gone.status == 410


async def test_too_many_actions_of_one_visit_are_refused(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        with_cookie = {**SCRIPT, "cookie": asha.cookie}
        statuses = [
            (await ask(desk.app.asgi, "/pause", fields={"pause": "0"}, headers=with_cookie)).status
            for _ in range(int(ACTIONS_BURST) + 20)
        ]
        assert (statuses[0], statuses[-1]) == (204, 429)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"text=hello"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhi\r\n--x--',
        ),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=b" % number for number in range(17))),
        ("application/x-www-form-urlencoded", b"%ff%fe=%00&text"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"text=x"),
    ],
)
async def test_strange_bodies_have_no_effect(tmp_path: Path, kind: str, body: bytes) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        headers = {**SCRIPT, "cookie": asha.cookie, "content-type": kind}
        answer = await ask(desk.app.asgi, "/rate", method="POST", headers=headers, body=[body])
        assert answer.status in {303, 400}
        joined = await ask(
            desk.app.asgi, "/join", method="POST", headers={"content-type": kind}, body=[body]
        )
        assert joined.status in {422, 400}


async def test_what_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        for path in ("/nothing", "/assets/desk.py", "/assets/..%2fguard.py", "/assets/"):
            assert (await ask(desk.app.asgi, path)).status == 404
        assert (await ask(desk.app.asgi, "/say")).status == 405
        assert (await ask(desk.app.asgi, "/healthz")).text == "ok\n"
        style = await ask(desk.app.asgi, "/assets/desk.css")
        assert (style.headers["content-type"], style.headers["cache-control"]) == (
            "text/css; charset=utf-8",
            "no-cache",
        )


async def test_hostile_text_stays_text_on_every_page(tmp_path: Path) -> None:
    hostile = "</p><script>alert(1)</script>\u202e<img src=x onerror=alert(1)>\x1b[2J"
    async with web_desk(tmp_path, menu=(hostile, "Other")) as desk:
        asha = desk.browser()
        pages = [
            await asha.get(),
            await asha.join(issue="1"),
            await asha.join(name=hostile, number=hostile),
        ]
        await asha.post("/say", {"text": hostile})
        await desk.type(hostile)
        pages += [await asha.until("onerror"), await asha.get("/log")]
        await desk.type(".next")
        pages.append(await asha.until("Thank you"))
        window = desk.window(asha, since="x")
        pages.append((await window.sees("main", "onerror"))["main"])
        await window.close()
        for page in pages:
            assert "<script>alert" not in page
            assert "<img" not in page
            assert "\u202e" not in page
            assert "\x1b" not in page
