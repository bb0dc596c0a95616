"""A web desk behind Caddy and nginx with TLS, by the files of contrib/proxy."""

import asyncio
import contextlib
import datetime as dt
import http.client
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cast.lines import beginning
from tests.cast.stage import CHATAPP, Stage, playing
from tests.support.ports import free_port

HOST: Final = "desk.example.org"
CONTRIB: Final = Path(__file__).parents[2] / "contrib" / "proxy"
FORM: Final = {"passphrase": "four words are easy", "again": "four words are easy"}


def certify(folder: Path) -> ssl.SSLContext:
    """Write a key and a certificate of our own; return what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(secret)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return ssl.create_default_context(cafile=str(folder / "certificate.pem"))


def caddy(folder: Path, port: int, desk: int) -> list[str]:
    """Write the configuration of contrib for this port, and return the command."""
    ours = (CONTRIB / "Caddyfile").read_text()
    ours = ours.replace(
        f"{HOST} {{",
        f"https://{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {folder}/certificate.pem {folder}/key.pem",
    )
    ours = ours.replace("127.0.0.1:8080", f"127.0.0.1:{desk}")
    options = f"{{\n\tadmin off\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + ours)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def nginx(folder: Path, port: int, desk: int) -> list[str]:
    """As `caddy`."""
    ours = (CONTRIB / "nginx.conf").read_text()
    ours = ours.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    ours = ours.replace(f"/etc/ssl/{HOST}.pem", f"{folder}/certificate.pem")
    ours = ours.replace(f"/etc/ssl/{HOST}.key", f"{folder}/key.pem")
    ours = ours.replace("127.0.0.1:8080", f"127.0.0.1:{desk}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{ours}}}\n"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-e", "stderr"]


class Site:
    """What a browser sees of the desk."""

    def __init__(self, port: int, trusts: ssl.SSLContext) -> None:
        self._port: Final = port
        self._trusts: Final = trusts
        self.origin: Final = f"https://{HOST}:{port}"
        self.cookie = ""

    @contextlib.contextmanager
    def ask(
        self, path: str, fields: dict[str, str] | None = None, *, origin: str = ""
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask for a page, or send a form."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.sock = self._trusts.wrap_socket(plain, server_hostname=HOST)
        headers = {"origin": origin or self.origin, "cookie": self.cookie}
        if fields is None:
            connection.request("GET", path, headers=headers)
        else:
            headers["content-type"] = "application/x-www-form-urlencoded"
            connection.request("POST", path, urlencode(fields), headers)
        with contextlib.closing(connection), connection.getresponse() as answer:
            yield answer


@pytest_asyncio.fixture(loop_scope="session", params=[caddy, nginx])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    make = request.param
    if shutil.which(make.__name__) is None:
        pytest.skip(f"needs {make.__name__} (Debian: apt-get install {make.__name__})")
    desk, port = free_port(), free_port()
    trusts = await asyncio.to_thread(certify, tmp_path)
    async with playing(tmp_path, may_complain=True) as stage:
        await begin(stage, desk)
        await stage.run("proxy", make(tmp_path, port, desk), home="proxy")
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)  # nothing tells that it listens
            else:
                writer.close()
                break
        yield Site(port, trusts)


async def begin(stage: Stage, port: int) -> None:
    await stage.registry()
    words = ["web", "127.0.0.1", str(stage.port), "--listen", str(port)]
    words += ["--proxy", "127.0.0.1", "--host", HOST, "--members", "5"]
    gateway = await stage.run("gateway", [*CHATAPP, *words], home="gateway")
    await gateway.sees(beginning("[Members can sign in:"))


async def test_a_member_behind_a_proxy_with_tls(site: Site) -> None:
    def play() -> None:
        with site.ask("/members/") as entry:
            assert entry.status == 200
        sent = {"name": "alice", **FORM}
        with site.ask("/members/new", sent, origin="https://evil.example") as foreign:
            assert foreign.status == 403
        with site.ask("/members/new", sent) as made:
            assert made.status == 303
            given, place = made.headers["set-cookie"], made.headers["location"]
        assert given.startswith("__Host-chatapp-member=")
        assert given.endswith("; Secure")
        site.cookie = given.partition(";")[0]
        with site.ask(place) as opened:
            window = place + opened.headers["location"]
        with site.ask(window) as page:
            assert b"ChatApp alice" in page.read()
        # News come at once, though the stream goes on: no proxy holds them back.
        with site.ask(f"{window}events") as stream:
            assert stream.readline().startswith(b"id: ")

    await asyncio.to_thread(play)
