"""The server argument of the command line: an address, or a host name that is resolved."""

import socket
import threading
import time

import pytest

import chatapp.__main__
from chatapp.wire.address import Address
from chatapp.wire.aio import hosts
from tests.cli.starting import Started


@pytest.fixture(autouse=True)
def nothing_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests have looked up."""
    monkeypatch.setattr(hosts, "_lookups", {})


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("0:0::1", "::1"),
    ],
)
def test_a_server_is_an_address_or_a_name_that_resolves(
    started: Started, host: str, found: str
) -> None:
    assert chatapp.__main__.main(["-c", "alice", host, "5000", "6000"]) == 0
    assert started.told["servers"] == (Address(host, 5000),)
    assert hosts.hosts_from(host, "server-ip")[0] == found


@pytest.mark.parametrize(
    "answer", [socket.gaierror("no such host"), UnicodeError("label too long")]
)
def test_a_host_that_is_not_found(
    started: Started,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception,
) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise answer

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert chatapp.__main__.main(["-c", "alice", "nowhere.example", "5000", "6000"]) == 2
    assert capsys.readouterr().err == (
        'ChatApp: server-ip: "nowhere.example" is neither an IP address nor the name of a host that can be found\n'
    )


def test_a_resolver_that_never_answers_is_not_waited_for(
    started: Started, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()

    def hang(*_args: object, **_named: object) -> list[object]:
        given_up.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(hosts, "LOOKUP_TIMEOUT", 0.0)
    assert chatapp.__main__.main(["-c", "alice", "slow.example", "5000", "6000"]) == 2
    given_up.set()
    assert "slow.example" in capsys.readouterr().err


def test_ipv4_is_preferred_where_a_host_has_both(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(*_args: object, **_named: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1%lo", 0, 0, 1)),
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert chatapp.__main__.main(["-c", "alice", "both.example", "5000", "6000"]) == 0
    assert hosts.hosts_from("both.example", "server-ip") == ["192.0.2.7", "fe80::1"]


def test_names_are_looked_up_together_and_once_for_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [f"server{number}.example" for number in range(8)]
    all_asked = threading.Barrier(len(named))
    asked: list[str] = []

    def answer(name: str, *_args: object, **_named: object) -> list[tuple[object, ...]]:
        asked.append(name)
        all_asked.wait(5)  # fails, and so no name is found, if the lookups follow each other
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (f"192.0.2.{name[6]}", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    servers = [Address(name, 5000) for name in named]
    expected = {Address(f"192.0.2.{number}", 5000): server for number, server in enumerate(servers)}
    for _ in ("the check of the command line", "the start"):
        found = hosts.server_addresses(servers, "server-ip")
        assert found == expected
        assert list(found) == list(expected)
    assert sorted(asked) == named


def test_names_that_get_no_answer_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    def hang(name: str, *_args: object, **_named: object) -> list[tuple[object, ...]]:
        if name != "good.example":
            given_up.wait()
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(hosts, "LOOKUP_TIMEOUT", 0.5)
    servers = [
        Address(name, 5000) for name in ("a.example", "b.example", "c.example", "good.example")
    ]
    began = time.monotonic()
    for _ in range(2):
        assert list(hosts.server_addresses(servers, "server-ip")) == [Address("192.0.2.7", 5000)]
    taken = time.monotonic() - began
    given_up.set()
    assert 0.5 <= taken < 1.5  # one after another, and twice, they take 3 seconds


def test_an_old_answer_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["192.0.2.1", "192.0.2.2"])

    def answer(*_args: object, **_named: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (next(answers), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(hosts, "ANSWER_KEPT", 0.0)
    assert hosts.hosts_from("moved.example", "server-ip") == ["192.0.2.1"]
    assert hosts.hosts_from("moved.example", "server-ip") == ["192.0.2.2"]
