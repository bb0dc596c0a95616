"""Files on a visitor's page: sent by its form and by its script, and given for storing alone."""

import re
from pathlib import Path

from chatapp.peer.faces.web.deskfiles import TOO_FAST, FilesUnderWay
from chatapp.peer.faces.web.guard import RequestRefused
from chatapp.peer.faces.web.limits import (
    DESK_FILES_GIVEN_BURST,
    DESK_FILES_GIVEN_PER_SECOND,
    DESK_FILES_GIVEN_SHARES,
)
from tests.peer.faces.web.asking import HOST, Answer, ask
from tests.peer.faces.web.town import Browser, web_desk

PDF = b"%PDF-" + b"x" * 70_000


async def upload(browser: Browser, name: str, content: bytes, **headers: str) -> Answer:
    sent = {
        "cookie": browser.cookie,
        "accept": "application/json",
        "content-length": str(len(content)),
        **{header.replace("_", "-"): value for header, value in headers.items()},
    }
    app = browser._desk.app.asgi
    return await ask(app, f"/upload?name={name}", method="POST", headers=sent, body=(content,))


async def test_a_visitor_sends_files_by_script_and_form(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha Rao")
        await desk.shows("Asha Rao")
        assert 'enctype="multipart/form-data"' in await asha.until('id="composer"')
        answer = await upload(asha, "..%2Freport.pdf", PDF)
        assert answer.status == 204, answer.text
        await desk.shows("[file report.pdf, 70,005 bytes]")
        assert "report.pdf" in await asha.until("report.pdf", path="/log")

        part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="<b>.pdf"\r\n\r\n'
        form = part + PDF + b"\r\n--b--\r\n"
        answer = await upload(asha, "", form, content_type="multipart/form-data; boundary=b")
        assert answer.status == 204, answer.text
        await desk.shows("[file _b_.pdf, 70,005 bytes]")

        refused = await upload(asha, "page.html", b"<script>")
        assert (refused.status, "pdf" in refused.text) == (422, True)
        refused = await upload(asha, "a.pdf", b"<script>alert(1)</script>")
        assert refused.status == 422
        refused = await upload(asha, "a.pdf", b"", content_length="99000000")
        assert refused.status == 413
        foreign = await upload(asha, "a.pdf", PDF, origin="http://evil.example")
        assert foreign.status == 403


async def test_files_are_given_to_their_own_visitor_and_never_run(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha, other = await desk.visitor("Asha Rao"), desk.browser()
        await upload(asha, "report.pdf", PDF)
        page = await asha.until("download", path="/log")  # at once
        link = re.findall(r'href="(file/\d+)" download', page)[0]
        app = desk.app.asgi
        given = await ask(app, f"/{link}", headers={"host": HOST, "cookie": asha.cookie})
        assert (given.status, len(given.text)) == (200, len(PDF))
        assert given.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in given.headers["content-security-policy"]
        assert given.headers["x-content-type-options"] == "nosniff"
        assert given.headers["content-type"] == "application/octet-stream"
        shown = await ask(app, f"/{link}?show=1", headers={"host": HOST, "cookie": asha.cookie})
        assert shown.headers["content-disposition"].startswith("attachment")  # no picture
        for cookie, path in (
            (other.cookie, link),
            (asha.cookie, "file/1"),
            (asha.cookie, "file/x"),
        ):
            refused = await ask(app, f"/{path}", headers={"host": HOST, "cookie": cookie})
            assert refused.status == 404


def test_a_visitor_and_a_network_are_given_files_at_a_rate() -> None:
    now = 0.0
    under_way = FilesUnderWay(lambda: now)

    def given(whose: str, network: str = "lab") -> bool:
        try:
            under_way.give(whose, network)
        except RequestRefused as refused:
            assert refused.refusal is TOO_FAST
            return False
        under_way.end(whose)
        return True

    burst = int(DESK_FILES_GIVEN_BURST)
    assert [given("asha") for _ in range(burst + 1)] == [True] * burst + [False]
    assert given("bela")
    others = [given(f"visit {number}") for number in range(DESK_FILES_GIVEN_SHARES * burst)]
    assert not others[-1] and given("far away", "elsewhere")
    now = 1 / DESK_FILES_GIVEN_PER_SECOND
    assert given("asha") and not given("asha")
