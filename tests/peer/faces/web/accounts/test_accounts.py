"""The account of a member: export, removal, another passphrase, bounds; and what a hostile member,
or somebody who can write to the gateway's disk, tries."""

import io
import tarfile
from pathlib import Path
from typing import Final

import pytest

from chatapp.peer.faces.web.accounts.errors import FolderDamaged
from chatapp.peer.faces.web.accounts.folders import AccountFolder, AccountRecord
from chatapp.peer.faces.web.limits import FOLDER_FILES_MAX, FOLDER_MAX
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.words import accounts as words
from chatapp.wire.passphrase import SealingWriter, new_lock
from tests.peer.faces.web.accounts.desk import PASSPHRASE, Browser, Desk, desk  # noqa: F401
from tests.peer.faces.windows import until
from tests.peer.village import village  # noqa: F401

LOCK, SECRET = new_lock(PASSPHRASE)
NAME: Final = "members/n-alice"


async def test_what_is_exported_is_a_folder_of_chatapp(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    window = await browser.open()
    refused = await browser.post("export", passphrase="another one")
    assert (refused.status, words.WRONG in refused.text) == (403, True)
    told: list[bytes] = []
    await browser.take("/members/export", told, passphrase=PASSPHRASE)
    with tarfile.open(fileobj=io.BytesIO(b"".join(told))) as tar:
        # Absent before Python 3.11.4; from 3.14 on the default.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(tmp_path / "home")
    assert (await browser.ask(window)).headers["location"] == "../"  # the pages come back
    await browser.post("remove", passphrase=PASSPHRASE)
    moved = desk.village.peer("alice")
    moved._home = tmp_path / "home"
    assert (moved.folder / "identity.key").stat().st_mode & 0o777 == 0o600


async def test_removal_leaves_no_file_and_frees_the_name(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    refused = await browser.post("remove", passphrase="another one", release="1")
    assert (refused.status, NAME in str(desk.files())) == (403, True)
    gone = await browser.post("remove", passphrase=PASSPHRASE, release="1")
    assert words.GONE in gone.text
    assert desk.files() == {}
    assert (await browser.sign_in("alice")).status == 403
    async with desk.village.peer("alice"):  # somebody new may have it
        pass


async def test_nothing_is_removed_while_the_registry_does_not_give_the_name_free(
    desk: Desk,  # noqa: F811
) -> None:
    browser = Browser(desk)
    await browser.make("alice")
    await desk.village.close_registry()
    kept = await browser.post("remove", passphrase=PASSPHRASE, release="1")
    assert (kept.status, "Nothing is removed" in kept.text) == (503, True)
    assert (await browser.ask("/members/account")).status == 200
    assert words.GONE in (await browser.post("remove", passphrase=PASSPHRASE)).text
    assert desk.files() == {}


async def test_another_passphrase_signs_everybody_out(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    window = await browser.open()
    new = "five words are better still"
    short = await browser.post("passphrase", passphrase=PASSPHRASE, new="short", again="short")
    assert short.status == 422
    changed = await browser.post("passphrase", passphrase=PASSPHRASE, new=new, again=new)
    assert words.CHANGED in changed.text
    assert (await browser.ask(window)).headers["location"] == "/members/"
    assert (await browser.sign_in("alice")).status == 403
    assert (await browser.sign_in("alice", new)).status == 303
    await browser.open()


async def test_the_page_of_the_account_says_who_can_read(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    assert words.WHO_READS in (await browser.ask("/members/")).text
    await browser.make("alice")
    page = await browser.ask("/members/account")
    assert words.WHO_READS in page.text
    assert words.browsers_line(1) in page.text
    onward = await browser.ask("/members/?with=everybody")
    assert (onward.status, onward.headers["location"][-16:]) == (303, "/?with=everybody")


async def test_who_has_another_name_now_signs_in_with_the_one_of_the_account(
    desk: Desk,  # noqa: F811
) -> None:
    browser = Browser(desk)
    await browser.make("alice")
    window = await browser.open()
    await browser.say(window, "/nick alison", "start")
    await until(lambda: desk.account("alice").person == "alison")
    page = await browser.ask("/members/account")
    assert words.renamed_line("alice", "alison") in page.text
    await desk.start_again()
    await browser.sign_in("alice")
    await browser.until(await browser.open(), "alison")
    assert (await browser.sign_in("alison")).status == 403


@pytest.mark.parametrize(
    "line",
    [
        "/send_file bob /etc/passwd",
        "/send_file bob ../../../account",
        "/send_file bob /proc/self/environ",
    ],
)
async def test_a_member_reads_no_file_of_the_machine(desk: Desk, line: str) -> None:  # noqa: F811
    browser = Browser(desk)
    await Browser(desk).make("bob")
    await browser.make("alice")
    window = await browser.open()
    await browser.until(window, "bob")
    await browser.say(window, line, "person:bob")
    await browser.until(f"{window}?with=person:bob", "is not in your folder at the web desk")


def test_bounds_are_of_one_folder_and_a_size(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to("/etc")
    (home / "file").write_bytes(b"x" * 60)
    bounds = FolderBounds(folder=home, most=100)
    bounds.check(home / "downloads" / "a", grows_by=40)
    for path, grows_by in (
        (home / "link" / "passwd", 0),
        (home / ".." / "other", 0),
        (tmp_path / "homely", 0),
        (home / "b", 41),
    ):
        with pytest.raises(Exception, match="web desk"):
            bounds.check(path, grows_by=grows_by)


# --- the disk


def sealed(folder: AccountFolder, **entries: bytes) -> None:
    """Seal a folder as whoever can write to the disk may do: the public half of the key lies
    there."""
    content = io.BytesIO()
    writer = SealingWriter(LOCK.public, content.write)
    with tarfile.open(fileobj=writer, mode="w|") as tar:  # type: ignore[call-overload]
        for name, text in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            if text.startswith(b"-> "):
                entry.size, entry.type, entry.linkname = 0, tarfile.SYMTYPE, text[3:].decode()
            tar.addfile(entry, io.BytesIO(text))
    writer.finish()
    (folder._path / "sealed").write_bytes(content.getvalue())


@pytest.mark.parametrize(
    "entries",
    [
        {"../outside": b"x"},
        {"/tmp/chatapp-outside": b"x"},
        {"a/../../outside": b"x"},
        {"link": b"-> /etc/passwd"},
        {"a": b"-> /etc", "a/b": b"x"},
        {str(at): b"" for at in range(FOLDER_FILES_MAX + 1)},
    ],
)
def test_a_forged_folder_is_not_opened(tmp_path: Path, entries: dict[str, bytes]) -> None:
    folder = AccountFolder(tmp_path / "account")
    folder.write(AccountRecord(name="alice", lock=LOCK))
    sealed(folder, **entries)
    before = {path for path in tmp_path.rglob("*") if "open.new" not in str(path)}
    with pytest.raises(FolderDamaged):
        folder.unseal(SECRET)
    assert set(tmp_path.rglob("*")) == before
    assert not Path("/tmp/chatapp-outside").exists()


def test_a_crash_while_sealing_loses_nothing(tmp_path: Path) -> None:
    folder = AccountFolder(tmp_path / "account")
    folder.write(AccountRecord(name="alice", lock=LOCK))
    folder.unseal(SECRET)
    (folder.home / "file").write_bytes(b"one")
    folder.seal(LOCK)
    assert not folder.is_open
    folder.unseal(SECRET)
    (folder.home / "file").write_bytes(b"two")
    sealed(folder, file=b"three")  # sealed, and killed before the open one was removed
    (folder.home.with_suffix(".old")).mkdir()
    (folder._path / "sealed.new").write_bytes(b"half")
    folder.tidy()
    assert sorted(path.name for path in folder._path.iterdir()) == ["account", "open", "sealed"]
    folder.unseal(SECRET)
    assert (folder.home / "file").read_bytes() == b"two"


async def test_a_damaged_folder_is_told_and_stays(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await browser.make("alice")
    await browser.post("out")
    path = desk.account("alice").folder._path / "sealed"
    path.write_bytes(path.read_bytes()[:-1])
    await browser.sign_in("alice")
    answer = await browser.ask(browser.place)
    assert (answer.status, answer.text) == (503, words.DAMAGED)
    assert path.exists()


async def test_a_full_disk_leaves_the_folder_open_and_it_is_sealed_later(
    desk: Desk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Browser(desk)
    await browser.make("alice")
    account = desk.account("alice")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(AccountFolder, "_pack", fail)
        await browser.post("out")
    assert account.folder.home.exists()
    assert not account.tend()
    account._seal_at = 0.0
    assert account.tend()
    await account.close()
    assert not account.folder.home.exists()
    await browser.sign_in("alice")
    assert await browser.open()


async def test_a_file_for_others_is_small_and_ends_with_the_folder(desk: Desk) -> None:  # noqa: F811
    browser = Browser(desk)
    await Browser(desk).make("bob")
    await browser.make("alice")
    window = await browser.open()
    await browser.until(window, "bob")
    path = f"{window}upload?with=person:bob&name=..%2F..%2Fnotes.txt"
    sent = {"method": "POST", "body": [b"four words"], "headers": {"content-length": "10"}}
    assert (await browser.ask(path, **sent)).status == 303
    (copy,) = (name for name in desk.files() if name.endswith("notes.txt"))
    assert copy.startswith(f"{NAME}/open/uploads/")
    large = {**sent, "headers": {"content-length": str(FOLDER_MAX)}}
    assert (await browser.ask(path, **large)).status == 413
    assert (await Browser(desk).ask(path, **sent)).status == 403
    await browser.post("out")
    assert all(b"four words" not in content for content in desk.files().values())
