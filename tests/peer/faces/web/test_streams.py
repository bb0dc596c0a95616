"""The stream of news, as windows with JavaScript take it."""

from pathlib import Path

from chatapp.peer.faces.web.limits import SEND_WITHIN, STREAM_SIGN_OF_LIFE, STREAMS_PER_SESSION
from tests.peer.faces.web.asking import ask
from tests.peer.faces.web.town import web_desk


async def test_a_window_is_told_what_changes_and_nothing_else(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        await desk.visitor("Ben")
        asha = await desk.visitor("Asha")
        window = desk.window(asha)
        first = await window.sees("status", "Nobody is serving just now.")
        assert ("main" in first, first["lines"], first["title"]) == (False, [], "(2) Help desk")
        await desk.type(".on")
        await window.sees("status", "You are next.")
        await desk.type(".next")
        talk = await window.sees("main", "Say hello!")
        assert (talk["stage"], "End the conversation?" in talk["actions"]) == ("talking", True)
        await desk.type("hello <b>")
        told = await window.sees("lines", "hello &lt;b&gt;")
        assert ("main" in told, len(told["lines"])) == (False, 1)
        await asha.post("/say", {"text": "hi"})
        sent = await window.sees("lines", "mark saved")
        assert [id_ for id_, _ in sent["lines"]] == ["line2"]
        await desk.type(".next")
        assert (await window.sees("main", "Thank you"))["actions"] == ""
        await window.close()


async def test_a_window_that_was_cut_off_gets_what_it_missed(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        window = desk.window(asha)
        await desk.type("one")
        await window.sees("lines", "one")
        await window.close()
        await desk.type("two")
        again = desk.window(asha, since=window.since)
        missed = await again.sees("lines", "two")
        assert ("main" in missed, len(missed["lines"])) == (False, 1)
        await again.close()
        boot = window.since.partition("-")[0]
        for since in (
            "x",
            "",
            "other-1",
            f"{boot}-x",
            f"{boot}-9999",
            f"{boot}-{'9' * 20}",
            f"{boot}--1",
        ):
            other = desk.window(asha, since=since)
            assert "two" in (await other.sees("main", "two"))["main"]
            await other.close()


async def test_the_oldest_of_too_many_windows_is_sent_away(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        windows = [desk.window(asha, since="x") for _ in range(STREAMS_PER_SESSION + 1)]
        await windows[0].sees("elsewhere", "true")
        await windows[0].task
        await desk.type("hello")
        for window in windows[1:]:
            await window.sees("lines", "hello")
            await window.close()


async def test_a_slow_reader_is_cut_and_costs_no_memory(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        slow = desk.window(asha, since="x")
        await slow.sees("main", "Say hello!")
        slow.can_read.clear()
        for number in range(100):
            await desk.type(f"line {number} {'x' * 1_000}")
        await desk.wait(SEND_WITHIN + 1.0)
        assert slow.is_cut
        assert slow.task.done()
        again = desk.window(asha, since=slow.since)
        await again.sees("lines", "line 99 ")
        await again.close()


async def test_a_quiet_stream_shows_that_it_lives(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        window = desk.window(asha)
        await desk.wait(10 * STREAM_SIGN_OF_LIFE)
        assert not window.task.done()
        desk.gateway.end_streams()
        await desk.wait(1.0)
        assert window.task.done()


async def test_a_browser_without_a_visit_is_sent_to_the_form(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        answer = await ask(desk.app.asgi, "/events")
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert '{"gone": true}' in answer.text
