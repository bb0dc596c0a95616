"""`ChatApp check`: each thing that a registry needs, when it is there and when it is not."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatapp.registry.cluster.settings import ClusterSettings
from chatapp.registry.program.checks import AHEAD_MOST, Check, checks
from tests.support.ports import free_port

INFO = b'INFO {"server_id":"a","jetstream":true}\r\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a registry on a port that is free."""
    made = tmp_path / str(free_port())
    made.mkdir(mode=0o700)
    return made


def found(folder: Path, cluster: ClusterSettings | None = None) -> dict[str, Check]:
    return {one.what: one for one in checks(folder, cluster)}


@contextmanager
def answering(said: bytes) -> Iterator[ClusterSettings]:
    """Stand in for a server of NATS that says this to the first who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield ClusterSettings(servers=(f"127.0.0.1:{server.getsockname()[1]}",))
        thread.join()


def test_a_machine_on_which_all_is_well(folder: Path) -> None:
    looked = found(folder)
    assert [(what, one.is_well) for what, one in looked.items()] == [
        ("UDP port", True),
        ("TCP port", True),
        ("folder", True),
        ("disk", True),
        ("clock", True),
    ]
    assert "is free" in looked["UDP port"].found


def test_a_folder_that_is_not_made_yet_is_no_trouble(folder: Path) -> None:
    folder.rmdir()
    assert all(one.is_well for one in found(folder).values())


@pytest.mark.parametrize(
    ("kind", "what"), [(socket.SOCK_DGRAM, "UDP port"), (socket.SOCK_STREAM, "TCP port")]
)
def test_a_port_that_another_program_has(folder: Path, kind: socket.SocketKind, what: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("", int(folder.name)))
        if kind == socket.SOCK_STREAM:
            other.listen()
        assert found(folder)[what] == Check(what, False, f"{folder.name}: another program has it")


def test_a_folder_that_others_can_read(folder: Path) -> None:
    folder.chmod(0o755)
    assert "mode 755" in found(folder)["folder"].found


def test_a_clock_that_was_set_back(folder: Path) -> None:
    (folder / "names").touch()
    ahead = (folder / "names").stat().st_mtime + 10 * AHEAD_MOST
    os.utime(folder / "names", (ahead, ahead))
    clock = found(folder)["clock"]
    assert not clock.is_well
    assert "set back" in clock.found


@pytest.mark.parametrize(
    ("said", "is_well", "text"),
    [
        (INFO, True, "answers"),
        (INFO.replace(b"true", b"false"), False, "without JetStream"),
        (b"HTTP/1.1 400 Bad Request\r\n", False, "another program answers"),
        (b"", False, "another program answers"),
    ],
)
def test_what_answers_as_a_server_of_the_cluster(folder: Path, said: bytes, is_well: bool, text: str) -> None:
    with answering(said) as cluster:
        nats = found(folder, cluster)["NATS"]
    assert (nats.is_well, text in nats.found) == (is_well, True)


def test_a_server_that_does_not_answer_and_certificates_that_are_none(folder: Path, tmp_path: Path) -> None:
    silent = ClusterSettings(servers=(f"127.0.0.1:{folder.name}",))
    assert not found(folder, silent)["NATS"].is_well
    (tmp_path / "ca.pem").write_text("no certificate")
    wrong = ClusterSettings(servers=("tls://127.0.0.1",), ca=str(tmp_path / "ca.pem"))
    assert not found(folder, wrong)["certificate"].is_well
