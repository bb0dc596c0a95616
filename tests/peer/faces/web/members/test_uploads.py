"""Files that a browser gives, and takes: who may, how much, and what becomes of them."""

import errno
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from starlette.requests import ClientDisconnect

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.api.requests import ListFiles, Retract
from chatapp.peer.faces.web.guard import RequestRefused
from chatapp.peer.faces.web.limits import UPLOAD_MAX, UPLOAD_STAYS, UPLOADS_AT_ONCE, WINDOW_STAYS
from chatapp.peer.faces.web.members import uploads as module
from chatapp.peer.faces.web.members.uploads import Uploads
from chatapp.peer.faces.web.multipart import NO_LENGTH
from chatapp.peer.words import members as words
from chatapp.wire.files import NAMELESS
from tests.peer.faces.web.asking import Answer
from tests.peer.faces.web.members.test_hostile import Browser, browser  # noqa: F401
from tests.peer.faces.windows import until
from tests.peer.village import Village, village  # noqa: F401
from tests.peer.words.test_texts import PLAN
from tests.support.nodes import node_of

CONTENT = os.urandom(300_000)
PIECES = [CONTENT[at : at + 65_536] for at in range(0, len(CONTENT), 65_536)]
UNLIKELY = "../../.ssh/authorized_keys"


async def give(browser: Browser, name: str, to: str = "person:bob", **how: object) -> Answer:  # noqa: F811
    """Have the browser give a file."""
    headers = {"content-length": str(len(CONTENT)), "accept": "application/json"}
    how = {"headers": headers, "body": PIECES, **how}
    path = f"{browser.path}/upload?with={to}&name={name}"
    return await browser.ask(path, method="POST", **how)


def copies(browser: Browser) -> list[Path]:  # noqa: F811
    return sorted(browser.windows.uploads._folder.glob("*/*"))


async def note(browser: Browser, file: FileTransfer) -> None:  # noqa: F811
    """Have the window know a file; told again, should it just ask for all files."""

    def is_known() -> bool:
        node_of(browser.alice).tell([events.FileChanged(file=file)])  # type: ignore[attr-defined]
        return browser.window.view.transfers.find(file.id) == file

    await until(is_known)


def below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


async def pieces(*given: bytes, fault: BaseException | None = None) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece
    if fault is not None:
        raise fault


@pytest.mark.parametrize("has_page", [True, False])
async def test_a_file_is_offered_and_its_copy_goes_when_it_is_taken_back(
    browser: Browser,  # noqa: F811
    village: Village,  # noqa: F811
    has_page: bool,
) -> None:
    async with village.peer("bob") as bob:
        await bob.ready()
        view = browser.window.view
        await until(lambda: any(one.name == "bob" for one in view.people))
        answer = await give(browser, "the%20plan.pdf")
        assert (answer.status, answer.body) == (204, b"")
        (copy,) = copies(browser)
        assert (copy.name, copy.read_bytes()) == ("the plan.pdf", CONTENT)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert {stat.S_IMODE(one.stat().st_mode) for one in (copy.parent, copy.parents[1])} == {
            0o700
        }
        (file,) = await bob.node.request(ListFiles())
        assert (file.name, file.size) == ("the plan.pdf", len(CONTENT))
        node = node_of(browser.alice)  # type: ignore[attr-defined]
        (ours,) = await node.request(ListFiles())
        assert ours.path == str(copy)
        if not has_page:
            browser.window.seen_at -= WINDOW_STAYS
            browser.windows.sweep()
            assert len(browser.windows) == 0
        await node.request(Retract(id=ours.id))
        if not has_page:
            browser.windows.sweep()
        await until(lambda: not copies(browser))
        await until(lambda: not browser.windows.uploads.has_any)


async def test_a_file_for_nobody_is_not_offered_and_it_is_said(browser: Browser) -> None:  # noqa: F811
    assert (await give(browser, "x", to="person:zoe")).status == 204
    pane = browser.window.view.panes.pane(person("zoe"))
    assert [entry.text for entry in pane.log.entries] == [
        "Message to zoe refused: nobody of that name is known here."
    ]
    assert copies(browser) == []


async def test_only_the_page_itself_may_give_and_take(browser: Browser) -> None:  # noqa: F811
    foreign = await give(browser, "x", origin="http://evil.example")
    unnamed = await give(browser, "x", origin=None)
    browser.cookie = "0" * 64
    stranger = await give(browser, "x")
    assert [one.status for one in (foreign, unnamed, stranger)] == [403, 403, 403]
    assert stranger.headers["connection"] == "close"
    for path in ("file/1", "picture/1"):
        assert (await browser.ask(f"{browser.path}/{path}")).status == 403
    assert not browser.windows.uploads._folder.exists()


@pytest.mark.parametrize(
    ("to", "headers", "status"),
    [
        ("everybody", {}, 422),
        ("start", {}, 422),
        ("desk", {}, 422),
        ("claimed:bob", {}, 422),
        ("", {}, 422),
        ("person:bob", {"content-length": "-1"}, 413),
        ("person:bob", {"content-length": "9" * 400}, 413),
        ("person:bob", {"content-length": str(UPLOAD_MAX + 1)}, 413),
        ("person:bob", {"content-length": "299999"}, 413),
    ],
)
async def test_what_cannot_be_offered_leaves_nothing(
    browser: Browser,  # noqa: F811
    to: str,
    headers: dict[str, str],
    status: int,
) -> None:
    headers = {"content-length": str(len(CONTENT)), **headers}
    answer = await give(browser, "x", to=to, headers=headers)
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert copies(browser) == []


async def test_a_body_without_a_length_is_not_taken(browser: Browser) -> None:  # noqa: F811
    answer = await give(browser, "x", headers={"transfer-encoding": "chunked"})
    assert (answer.status, answer.text) == (411, f"{NO_LENGTH.text}\n")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (UNLIKELY, "authorized_keys"),
        ("..", NAMELESS),
        ("", NAMELESS),
        ("a\0/b\n\u202egpj.exe", "bgpj.exe"),
    ],
)
async def test_a_name_is_no_path(tmp_path: Path, name: str, kept: str) -> None:
    uploads = Uploads(tmp_path / "uploads")
    path = await uploads.take(name, 1, pieces(b"x"))
    assert (path.parents[1], path.name) == (tmp_path / "uploads", kept)
    await uploads.settle(path, is_offered=False)
    assert below(tmp_path / "uploads") == set()


@pytest.mark.parametrize("fault", [ClientDisconnect(), OSError(errno.ENOSPC, "No space left")])
async def test_a_file_that_does_not_come_whole_leaves_nothing(
    tmp_path: Path, fault: Exception
) -> None:
    uploads = Uploads(tmp_path)
    with pytest.raises((ClientDisconnect, RequestRefused)) as refused:
        await uploads.take("x", 9, pieces(b"one", fault=fault))
    if isinstance(refused.value, RequestRefused):
        assert refused.value.refusal.status == 507
        assert "No space left" in refused.value.refusal.text
    assert below(tmp_path) == set()


async def test_files_at_a_time_and_bytes_on_the_disk_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = Uploads(tmp_path)
    paths = [await uploads.take("x", 9, pieces(b"x")) for _ in range(UPLOADS_AT_ONCE)]
    with pytest.raises(RequestRefused) as refused:
        await uploads.take("x", 1, pieces())
    assert refused.value.refusal.status == 429
    for path in paths:
        await uploads.settle(path, is_offered=True)
    uploads = Uploads(tmp_path, most=UPLOADS_AT_ONCE + 1)
    with pytest.raises(RequestRefused) as refused:
        await uploads.take("x", 2, pieces(b"xx"))
    assert words.TOO_MUCH_UPLOADED in refused.value.refusal.text
    monkeypatch.setattr(module, "UPLOADS_SPARED", 1 << 60)
    with pytest.raises(RequestRefused) as refused:
        await uploads.take("x", 1, pieces(b"x"))
    assert words.NO_SPACE in refused.value.refusal.text
    assert below(tmp_path) == {*paths, *(path.parent for path in paths)}


async def test_what_is_not_offered_any_more_is_removed(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    ended = [state for state in FileState if state in module._OVER]
    states = [FileState.OFFERED, FileState.RUNNING, *ended]
    files = []
    for state in states:
        path = await uploads.take("x", 1, pieces(b"x"))
        await uploads.settle(path, is_offered=True)
        files.append(replace(PLAN, is_ours=True, state=state, path=str(path)))
    coming = await uploads.take("x", 1, pieces(b"x"))
    young = await uploads.take("x", 1, pieces(b"x"))
    old = await uploads.take("x", 1, pieces(b"x"))
    for path in (young, old):
        await uploads.settle(path, is_offered=True)
    long_ago = time.time() - UPLOAD_STAYS - 1
    for path in (old, old.parent, coming, coming.parent):
        os.utime(path, (long_ago, long_ago))
    outside = tmp_path.with_name("outside") / "folder" / "mine"
    outside.parent.mkdir(parents=True)
    outside.write_bytes(b"mine")
    await uploads.sweep(
        [*files, replace(PLAN, is_ours=True, state=FileState.DONE, path=str(outside))]
    )
    left = {Path(file.path) for file in files if file.state not in ended} | {coming, young}
    assert below(tmp_path) == left | {path.parent for path in left}
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["page.html", "image.svg", "plan.pdf", "a.png"])
async def test_a_file_is_given_to_be_stored_and_never_shown(
    browser: Browser,  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(b"<script>alert(1)</script>")
    file = replace(PLAN, id=77, name=name, state=FileState.DONE, path=str(path))
    await note(browser, file)
    answer = await browser.ask(f"{browser.path}/file/77")
    assert (answer.status, answer.body) == (200, path.read_bytes())
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    shown = await browser.ask(f"{browser.path}/picture/77")
    assert (shown.status, shown.text) == (415, words.NO_PICTURE)
    for id_ in ("78", "0", "x", "-77", "9" * 40, "77/../77"):
        assert (await browser.ask(f"{browser.path}/file/{id_}")).status == 404
    for changed in (replace(file, state=FileState.PAUSED), replace(file, is_ours=True)):
        await note(browser, changed)
        assert (await browser.ask(f"{browser.path}/file/77")).status == 404
    await note(browser, file)
    path.unlink()
    assert (await browser.ask(f"{browser.path}/file/77")).status == 404
    path.mkdir()
    assert (await browser.ask(f"{browser.path}/file/77")).status == 404
