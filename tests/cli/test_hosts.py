"""The server argument of the command line: an address, or a host name that is resolved."""

import socket
import threading

import pytest

import chatapp.__main__
from chatapp.wire.address import Address
from chatapp.wire.aio import hosts
from tests.cli.starting import Started


@pytest.mark.parametrize(
    ("host", "found"),
    [("::1", "::1"), ("::ffff:127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0:0::1", "::1")],
)
def test_a_server_is_an_address_or_a_name_that_resolves(started: Started, host: str, found: str) -> None:
    assert chatapp.__main__.main(["-c", "alice", host, "5000", "6000"]) == 0
    assert started.told["servers"] == (Address(host, 5000),)
    assert hosts.hosts_from(host, "server-ip")[0] == found


@pytest.mark.parametrize("answer", [socket.gaierror("no such host"), UnicodeError("label too long")])
def test_a_host_that_is_not_found(
    started: Started, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: Exception
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


def test_ipv4_is_preferred_where_a_host_has_both(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_args: object, **_named: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1%lo", 0, 0, 1)),
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert chatapp.__main__.main(["-c", "alice", "both.example", "5000", "6000"]) == 0
    assert hosts.hosts_from("both.example", "server-ip") == ["192.0.2.7", "fe80::1"]
