"""`ChatApp check`: each thing that a registry needs, when it is there and when it is not."""

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chatapp.registry.cluster.settings import ClusterSettings
from chatapp.registry.program import checks as checks_module
from chatapp.registry.program.checks import AHEAD_MOST, Check, checks
from tests.support.certificates import Authority
from tests.support.nats_server import remove, single
from tests.support.ports import free_port

INFO = b'INFO {"version":"2.15.0","jetstream":true}\r\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a registry on a port that is free."""
    made = tmp_path / str(free_port())
    made.mkdir(mode=0o700)
    return made


def found(folder: Path, cluster: ClusterSettings | None = None) -> dict[str, Check]:
    return {one.what: one for one in checks(folder, cluster)}


@contextmanager
def answering(*said: bytes) -> Iterator[ClusterSettings]:
    """Stand in for a server of NATS that says this, piece by piece, to the first who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in said:
                    line.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        yield ClusterSettings(servers=(f"127.0.0.1:{server.getsockname()[1]}",))
        thread.join()


def test_a_machine_on_which_all_is_well(folder: Path) -> None:
    looked = found(folder)
    assert [(what, one.is_well) for what, one in looked.items() if what != "clock"] == [
        ("UDP port", True),
        ("TCP port", True),
        ("folder", True),
        ("disk", True),
    ]
    assert "is free" in looked["UDP port"].found


def test_a_folder_that_is_not_made_yet_is_no_trouble(folder: Path) -> None:
    folder.rmdir()
    assert not any(one.is_well is False for one in found(folder).values())


def test_a_folder_of_another_user_is_not_judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    looked = found(folder)
    assert looked["registry"].is_well is looked["folder"].is_well is None
    assert looked["UDP port"].is_well


def test_a_folder_that_may_not_be_seen_is_not_judged(folder: Path) -> None:
    user = os.geteuid()
    folder.parent.chmod(0)
    if user == 0:
        os.seteuid(12_345)
    try:
        looked = found(folder)
    finally:
        os.seteuid(user)
        folder.parent.chmod(0o700)
    assert looked["registry"].found == "it cannot be asked: Permission denied"
    assert looked["folder"] == Check("folder", None, f"{folder}: Permission denied")
    assert looked["clock"].is_well is not False


@pytest.mark.parametrize(
    ("kind", "what"), [(socket.SOCK_DGRAM, "UDP port"), (socket.SOCK_STREAM, "TCP port")]
)
def test_a_port_that_another_program_has(folder: Path, kind: socket.SocketKind, what: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("", int(folder.name)))
        if kind == socket.SOCK_STREAM:
            other.listen()
        assert found(folder)[what] == Check(
            what, False, f"{folder.name}: in use, and no registry answers"
        )


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
    ("state", "is_well"),
    [(0, True), (2, True), (5, None), (-1, None)],
    ids=["synchronised", "leap second", "not synchronised", "refused"],
)
def test_a_clock_is_well_only_if_the_system_says_that_it_is_synchronised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, state: int, is_well: bool | None
) -> None:
    class System:
        def ntp_adjtime(self, _: object) -> int:
            return state

    monkeypatch.setattr(ctypes, "CDLL", lambda _: System())
    assert found(folder)["clock"].is_well is is_well


def test_a_system_that_tells_nothing_about_its_clock(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    clock = found(folder)["clock"]
    assert clock.is_well is None
    assert "does not say" in clock.found


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b'INFO {"version":"2.14.9","jetstream":true}\r\n', "version 2.14.9 is too old"),
        (b"HTTP/1.1 400 Bad Request\r\n", "another program answers"),
        (b"INFO none\r\n", "another program answers"),
        (b"", "another program answers"),
    ],
)
def test_what_answers_instead_of_a_server_of_the_cluster(
    folder: Path, said: bytes, text: str
) -> None:
    with answering(said) as cluster:
        nats = found(folder, cluster)["NATS"]
    assert nats == Check("NATS", False, f"{cluster.servers[0]}: {text}")


def test_a_first_line_in_two_pieces(folder: Path) -> None:
    half = len(INFO) // 2
    with answering(INFO[:half], INFO[half:]) as cluster:
        assert found(folder, cluster)["NATS"].is_well


@pytest.mark.parametrize(
    ("tls", "url", "trusts", "expected"),
    [
        ({}, "tls://127.0.0.1", True, [("NATS", True, "answers"), ("certificate", True, "valid for 89 more days")]),
        ({"days": 5}, "tls://127.0.0.1", True, [("NATS", True, "answers"), ("certificate", False, "valid for 4 more")]),
        ({"days": -1}, "tls://127.0.0.1", True, [("NATS", True, "answers"), ("certificate", False, "has expired")]),
        ({"host": "a.example"}, "tls://127.0.0.1", True, [("NATS", True, ""), ("certificate", False, "mismatch")]),
        ({}, "tls://127.0.0.1", False, [("NATS", True, ""), ("certificate", False, "unable to get local issuer")]),
        ({}, "nats://127.0.0.1", False, [("NATS", True, ""), ("certificate", False, "unable to get local issuer")]),
        ({"more": "verify: true"}, "tls://127.0.0.1", True, [("NATS", False, "verify: true"), ("certificate", True, "")]),
        (None, "tls://127.0.0.1", True, [("NATS", False, "it has no TLS")]),
        (None, "nats://127.0.0.1", True, [("NATS", False, "it has no TLS")]),
        (None, "nats://127.0.0.1", False, [("NATS", True, "answers")]),
    ],
)  # fmt: skip
def test_a_real_server_and_its_certificate(
    folder: Path,
    tmp_path: Path,
    tls: dict[str, Any] | None,
    url: str,
    trusts: bool,
    expected: list[tuple[str, bool, str]],
) -> None:
    authority = Authority(tmp_path)
    server = single(tmp_path / "nats", extra="" if tls is None else authority.tls(**tls))
    try:
        cluster = ClusterSettings(
            servers=(f"{url}:{server.client_port}",), ca=str(authority.file) if trusts else None
        )
        looked = [one for one in checks(folder, cluster) if one.what in ("NATS", "certificate")]
    finally:
        remove(server)
    assert [(one.what, one.is_well) for one in looked] == [
        (what, is_well) for what, is_well, _ in expected
    ]
    assert all(text in one.found for one, (_, _, text) in zip(looked, expected, strict=True)), (
        looked
    )


@pytest.mark.parametrize(
    ("extra", "has_jetstream", "expected"),
    [
        ("", False, {"NATS": (False, "JetStream is disabled")}),
        ("authorization { user: u, password: p }", True, {"NATS": (True, "answers"), "login": (None, "demands one")}),
    ],
)  # fmt: skip
def test_a_real_server_without_tls(
    folder: Path,
    tmp_path: Path,
    extra: str,
    has_jetstream: bool,
    expected: dict[str, tuple[bool | None, str]],
) -> None:
    server = single(tmp_path / "nats", extra=extra, has_jetstream=has_jetstream)
    try:
        looked = found(folder, ClusterSettings(servers=(server.url,)))
    finally:
        remove(server)
    assert {what: looked[what].is_well for what in expected} == {
        what: one for what, (one, _) in expected.items()
    }
    assert all(text in looked[what].found for what, (_, text) in expected.items())


def test_a_server_that_does_not_speak_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_module, "ANSWER_WITHIN", 0.2)
    server = single(tmp_path / "nats", extra=Authority(tmp_path).tls(more="handshake_first: true"))
    try:
        nats = found(folder, ClusterSettings(servers=(server.url,)))["NATS"]
    finally:
        remove(server)
    assert (nats.is_well, "handshake_first" in nats.found) == (False, True)


def test_a_server_that_does_not_answer_and_certificates_that_are_none(
    folder: Path, tmp_path: Path
) -> None:
    silent = ClusterSettings(servers=(f"127.0.0.1:{folder.name}",))
    assert not found(folder, silent)["NATS"].is_well
    (tmp_path / "ca.pem").write_text("no certificate")
    wrong = ClusterSettings(servers=("tls://127.0.0.1",), ca=str(tmp_path / "ca.pem"))
    assert not found(folder, wrong)["certificate"].is_well
