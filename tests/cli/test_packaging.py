"""What is installed: one package, `chatapp`, from a wheel, from a source distribution, and from a
checkout."""

import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

from tests.cast.program import CHECKOUT
from tests.cast.wheel import FOLDERS, Built, build, run, unpacked

USER = """
import asyncio
from chatapp import MessageState, NameTaken, Peer, Policy, Receipt, events

async def talk() -> MessageState:
    async with Peer("alice", ("127.0.0.1", 5000)) as me:
        receipt: Receipt = await me.send("bob", "hi")
        return await receipt.settled()

def is_said(event: object) -> bool:
    return isinstance(event, events.Said)
"""


@pytest.fixture(scope="module", params=["checkout", "sdist"])
def installed(
    request: pytest.FixtureRequest, packages: Built, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What a wheel puts beside other packages; the wheel is made from the checkout, or from the
    source distribution."""
    folder, wheel = tmp_path_factory.mktemp("wheel"), packages.wheel
    if request.param == "sdist":
        (folder / "sdist").mkdir()
        run(["tar", "--extract", "--file", str(packages.sdist)], cwd=folder / "sdist")
        (source,) = (folder / "sdist").iterdir()
        wheel = build("wheel", source, folder / "built")
    return unpacked(wheel, folder / "site")


def test_a_wheel_installs_one_package(installed: Path) -> None:
    names = {
        path.name for path in installed.iterdir() if path.suffix not in (".dist-info", ".data")
    }
    assert names == {"chatapp"}
    assert (installed / "chatapp" / "py.typed").exists()
    for folder in FOLDERS:
        ours = {path.relative_to(CHECKOUT / folder) for path in (CHECKOUT / folder).rglob("*.py")}
        theirs = {
            path.relative_to(installed / "chatapp" / folder)
            for path in (installed / "chatapp" / folder).rglob("*.py")
        }
        assert theirs == ours


def test_a_wheel_brings_the_manual_and_completion(installed: Path) -> None:
    (shared,) = installed.glob("*.data/data/share")
    brought = {
        path.relative_to(shared).as_posix(): path for path in shared.rglob("*") if path.is_file()
    }
    sources = {path.name: path for path in (CHECKOUT / "contrib").rglob("*") if path.is_file()}
    assert sorted(brought) == [
        "bash-completion/completions/ChatApp",
        "fish/vendor_completions.d/ChatApp.fish",
        "man/man1/ChatApp.1",
        "man/man5/chatapp.toml.5",
        "zsh/site-functions/_ChatApp",
    ]
    assert all(path.read_bytes() == sources[path.name].read_bytes() for path in brought.values())


def test_a_source_distribution_has_what_an_administrator_needs(packages: Built) -> None:
    with tarfile.open(packages.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "contrib/systemd/chatapp@.service",
        "contrib/man/ChatApp.1",
        "docs/chatapp.toml",
    } <= names


def test_the_installed_package_runs_beside_packages_named_like_our_folders(
    installed: Path, tmp_path: Path
) -> None:
    for name in (*FOLDERS, "cli"):
        (tmp_path / f"{name}.py").write_text(f"NAME = {name!r}\n", "utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import chatapp, cli, peer, registry, wire\n"
        "from chatapp import Peer\n"
        "from chatapp.registry.program.server import run\n"
        "print(chatapp.__file__, cli.NAME, peer.NAME, registry.NAME, wire.NAME, Peer.__module__)"
    )
    shown = run([sys.executable, "-c", code], cwd=tmp_path, path=installed)
    file, *names = shown.split()
    assert Path(file).is_relative_to(installed)
    assert names == ["cli", "peer", "registry", "wire", "chatapp.peer.sdk.client"]


TOWN = """
import asyncio
from chatapp.testing import Town

async def main() -> None:
    async with Town() as town:
        alice, _ = await town.peer("alice"), await town.peer("bob")
        print((await (await alice.send("bob", "hi")).settled()).name)

asyncio.run(main())
"""


def test_what_tests_of_others_need_is_installed(installed: Path, tmp_path: Path) -> None:
    assert run([sys.executable, "-c", TOWN], cwd=tmp_path, path=installed) == "DELIVERED\n"


def test_the_package_is_a_program(installed: Path, tmp_path: Path) -> None:
    shown = run([sys.executable, "-m", "chatapp", "--help"], cwd=tmp_path, path=installed)
    assert shown.startswith("Usage: ChatApp [OPTIONS] COMMAND")


def test_types_are_seen_where_a_wheel_is_installed(packages: Built, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    unpacked(packages.wheel, site)
    (tmp_path / "user.py").write_text(USER, "utf-8")
    (tmp_path / "misuser.py").write_text(USER.replace('"hi"', "7"), "utf-8")
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path / 'cache'}",
    ]
    words += ["--python-executable", str(home / "bin" / "python")]
    assert "Success" in run([*words, "user.py"], cwd=tmp_path)
    done = subprocess.run(
        [*words, "misuser.py"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=tmp_path,
    )
    assert (
        'Argument 2 to "send" of "Peer" has incompatible type "int"; expected "str"' in done.stdout
    )


def test_every_public_name_is_there_and_no_other() -> None:
    import chatapp

    assert chatapp.__version__
    for name in chatapp.__all__:
        assert getattr(chatapp, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Pear'"):
        chatapp.Pear  # noqa: B018
