"""What a node is told wrongly at its start: files of credentials, certificates, addresses,
monitoring. Each mistake is one line, and no line shows a password."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nkeys
import pytest

from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.settings import (
    ClusterSettings,
    ClusterUnavailable,
    monitor_urls,
    server_urls,
)
from chatapp.registry.program.node import ClusterNode
from chatapp.wire.errors import ChatAppError
from tests.support.certificates import Authority
from tests.support.nats_server import NatsServer, remove, single

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = nkeys.from_seed(bytearray(SEED.encode())).public_key.decode()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server that lets only the holder of one key in."""
    extra = f"authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}"
    server = single(tmp_path_factory.mktemp("keyed"), extra=extra)
    yield server
    remove(server)


@pytest.mark.parametrize(
    "text", [SEED, f"# the key of the registries\n{SEED}\n", f"{SEED}\n{PUBLIC}\n"]
)
def test_a_file_with_the_seed_of_a_key_opens_the_servers(
    keyed: NatsServer, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "seed"
    file.write_text(text)
    broker = JetStream(Access(servers=(keyed.url,), credentials=file), "keyed")
    try:
        broker.open(within=10)
    finally:
        broker.close()


@pytest.mark.parametrize("more", ["", "allow_non_tls: true"])
def test_servers_are_reached_by_tls(tmp_path: Path, more: str) -> None:
    authority = Authority(tmp_path)
    server = single(tmp_path / "nats", extra=f"{authority.tls()}\n{more}")
    broker = JetStream(tls_access(server, authority), "sealed")
    try:
        broker.open(within=10)
        assert [bool(one.get("tls_version")) for one in server.asked("connz")["connections"]] == [
            True
        ]
    finally:
        broker.close()
        remove(server)


def test_a_server_without_tls_is_told_nothing_where_tls_is_demanded(tmp_path: Path) -> None:
    server = single(tmp_path / "nats", extra="debug: true\ntrace: true")
    broker = JetStream(tls_access(server, Authority(tmp_path)), "sealed")
    try:
        with pytest.raises(ClusterUnavailable, match="the server has no TLS"):
            broker.open(within=1)
        log = server.log()
    finally:
        broker.close()
        remove(server)
    assert "Client connection created" in log
    assert "<<- [" not in log  # what a server reads


def tls_access(server: NatsServer, authority: Authority) -> Access:
    return Access(servers=(f"tls://127.0.0.1:{server.client_port}",), ca=authority.file)


async def why_not(folder: Path, **settings: object) -> str:
    """Return the line of a node that cannot be opened."""
    chosen = {"servers": ("nats://127.0.0.1:1",), **settings}
    node = ClusterNode(
        ClusterSettings(**chosen),  # type: ignore[arg-type] # what a test names is of the right type
        folder=folder,
        name="a",
        say=lambda line: None,
    )
    try:
        with pytest.raises((ChatAppError, OSError)) as caught:
            await node.open()
    finally:
        await node.close()
    return str(caught.value)


async def test_wrong_files_are_named(tmp_path: Path) -> None:
    half = tmp_path / "half.creds"
    half.write_text(f"-----BEGIN NATS USER JWT-----\nabc\n{SEED}\n")
    line = await why_not(tmp_path / "a", credentials=str(half))
    assert line == f"{half}: neither NATS credentials nor the seed of an nkey's user"
    missing = str(tmp_path / "missing.pem")
    line = await why_not(tmp_path / "b", ca=missing)
    assert line == f"[Errno 2] No such file or directory: '{missing}'"


@pytest.mark.parametrize(
    ("read", "text", "line"),
    [
        (server_urls, "http://u:secret@a", '"http://a" does not begin with nats:// or tls://'),
        (server_urls, "nats://u:sec/ret@a:x", '"nats://a:x" has no valid host and port'),
        (monitor_urls, "nats://u:secret@a", '"nats://a" does not begin with http:// or https://'),
        (monitor_urls, "u:secret@a", '"a" does not begin with http:// or https://'),
    ],
)
def test_no_line_about_an_address_shows_a_password(
    read: Callable[[tuple[str, ...]], object], text: str, line: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        read((text,))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (
            b"HTTP/1.0 200 OK\r\n\r\n[1]",
            "its answer is not that of the monitoring of a NATS server",
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\n<html>",
            "its answer is not that of the monitoring of a NATS server",
        ),
        (b'HTTP/1.0 200 OK\r\n\r\n{"jetstream": null}', "its answer tells nothing about JetStream"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"jetstream": {}}', "its answer tells nothing about JetStream"),
    ],
)
async def test_what_is_no_monitoring_is_told_in_one_line(
    nats_server: NatsServer, tmp_path: Path, answer: bytes, why: str
) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    said: list[str] = []
    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = ClusterSettings(servers=(nats_server.url,), name="monitored", monitors=(url,))
        node = ClusterNode(settings, folder=tmp_path, name="a", say=said.append)
        try:
            await node.open()
        finally:
            await node.close()
    assert said == [f"[Whether the server {url} syncs at once cannot be seen: {why}]"]
