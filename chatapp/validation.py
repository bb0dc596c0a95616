"""Checks of the words of a command line. A wrong word is named, together with what is allowed."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chatapp.wire.address import Address, host_name, ip_literal, parse_port, parse_servers
from chatapp.wire.aio.hosts import server_addresses
from chatapp.wire.errors import ChatAppError, NameRefused, quoted
from chatapp.wire.folders import path_of
from chatapp.wire.names import PeerName, peer_name, person_name

LIST_BYTES_MAX: Final = 4_000_000
"""Bytes that a list may have. A larger file, such as a disk image named by mistake, is refused."""

CODE_SHOWN: Final = (
    "ChatApp: --code: others on this machine can read the command line; "
    "put the code into CHATAPP_CODE, or give --code - and type it"
)
_STANDARD_INPUT: Final = 0
_LOOPBACK: Final = "127.0.0.1"
_LINE_MAX: Final = 1_000

_NEGATIVE: Final = re.compile(r"-[0-9]")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Misuse(ChatAppError):
    """A command line that cannot be carried out; the text names the wrong word."""


def is_option(word: str) -> bool:
    """Whether a word that the parser left looks like an option."""
    return len(word) > 1 and word.startswith("-") and not _NEGATIVE.match(word)


def check_options(words: Sequence[str]) -> None:
    """Refuse an option that the parser did not know. Raises Misuse."""
    unknown = next(filter(is_option, words), None)
    if unknown is not None:
        raise Misuse(f'unknown option "{quoted(unknown)}"; see ChatApp --help')


def counted(words: Sequence[str], mode: str, arguments: Sequence[str]) -> Sequence[str]:
    """Return the words if there are as many as arguments. Raises Misuse."""
    needs = f"{mode} needs {' '.join(f'<{argument}>' for argument in arguments)}"
    if len(words) < len(arguments):
        missing = ", ".join(f"<{argument}>" for argument in arguments[len(words) :])
        raise Misuse(f"{needs}; missing: {missing}")
    if len(words) > len(arguments):
        raise Misuse(f'{needs}: unexpected argument "{quoted(words[len(arguments)])}"')
    return words


class ServerWords(NamedTuple):
    """The words of a command line that name a server, and a port of ours; None for those not
    given."""

    host: str | None
    port: str | None
    rest: Sequence[str]


def server_words(words: Sequence[str], *, host: str | None, port: str | None) -> ServerWords:
    """Take the server's host and port from the options `--host` and `--port`, else from the first
    words."""
    left = list(words)
    if host is None and left:
        host = left.pop(0)
    if port is None and left:
        port = left.pop(0)
    return ServerWords(host, port, left)


def name_from(text: str, what: str = "name") -> PeerName:
    """Check a name, of a person, a room or a queue. Raises Misuse."""
    return _named(peer_name, text, what)


def own_name_from(text: str, what: str = "name") -> PeerName:
    """Check the name that somebody wants to have. Raises Misuse."""
    return _named(person_name, text, what)


def _named(read: Callable[[str], PeerName], text: str, what: str) -> PeerName:
    try:
        return read(text)
    except NameRefused as refusal:
        raise Misuse(f"{what}: {refusal}") from None


def language_from(typed: str | None) -> str | None:
    """Return the language of a visitor, None for none. Raises Misuse."""
    from chatapp.peer.words.catalog import LANGUAGES

    language = None if typed is None else typed.lower()
    if language is not None and language not in LANGUAGES:
        there = ", ".join(LANGUAGES)
        raise Misuse(
            f'--lang: "{quoted(str(typed))}" is no language of this program; there are {there}'
        )
    return language


def whole_number_from(text: str, option: str, *, least: int, most: int) -> int:
    """Check a whole number. Raises Misuse."""
    number = (
        int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else None
    )
    if number is None or not least <= number <= most:
        raise Misuse(f'{option}: "{quoted(text)}" is not a whole number from {least} to {most}')
    return number


def seconds_from(text: str, option: str, *, least: float, most: float) -> float:
    """Check a number of seconds. Raises Misuse."""
    seconds = float(text) if _SECONDS.fullmatch(text) else None
    if seconds is None or not least <= seconds <= most:
        raise Misuse(
            f'{option}: "{quoted(text)}" is not a number of seconds from {least:g} to {most:g}'
        )
    return seconds


def folder_from(text: str | None, option: str = "--data") -> Path | None:
    """Check a folder, which may not exist yet; None for none. Raises Misuse."""
    if text is None:
        return None
    folder = _path(text, option)
    if not text or (folder.exists() and not folder.is_dir()):
        raise Misuse(f'{option}: "{quoted(text)}" is not a folder')
    return folder


def code_from(text: str | None, environment: Mapping[str, str]) -> str | None:
    """Check a join code: the one given, the first line of standard input for `-`, or else
    $CHATAPP_CODE. Warns of a code on the command line, which others can read. Raises Misuse."""
    typed = text if text is not None else environment.get("CHATAPP_CODE") or None
    if typed is None:
        return None
    from chatapp.wire.admission import CodeRefused, JoinCode

    try:
        code = JoinCode(_line_typed("Join code: ") if text == "-" else typed).text
    except CodeRefused as refusal:
        raise Misuse(f"{'CHATAPP_CODE' if text is None else '--code'}: {refusal}") from None
    if text not in (None, "-"):
        print(CODE_SHOWN, file=sys.stderr, flush=True)
    return code


def _line_typed(question: str) -> str:
    """Read the next line of standard input and not a byte more: the program reads the rest
    later."""
    if sys.stdin is not None and sys.stdin.isatty():
        print(question, end="", file=sys.stderr, flush=True)
    line = b""
    with contextlib.suppress(OSError):  # closed, or a folder
        while len(line) < _LINE_MAX and (byte := os.read(_STANDARD_INPUT, 1)) not in (b"", b"\n"):
            line += byte
    return line.decode("utf-8", "replace")


def servers_from(host: str, port: int) -> tuple[Address, ...]:
    """Return the servers of one registry as they were typed: the registry is remembered under them.
    `host`: one or several, with commas between them. Raises AddressRefused for a wrong one, and if
    no server has an address."""
    return found_servers(parse_servers(host, port, "server-ip"))


def found_servers(servers: tuple[Address, ...]) -> tuple[Address, ...]:
    """Return the servers. Raises AddressRefused if none of them has an address."""
    server_addresses(servers, "server-ip")
    return servers


def listening_from(text: str, option: str) -> Address:
    """Check where to listen: an IP address and a port, or a port alone, which is one of 127.0.0.1.
    Raises Misuse, AddressRefused."""
    host, _, port = text.rpartition(":")
    literal = ip_literal(host.removeprefix("[").removesuffix("]")) if host else _LOOPBACK
    if literal is None or (":" in literal) is not host.startswith("["):
        raise Misuse(
            f'{option}: "{quoted(text)}" is not [ADDRESS:]PORT, such as 127.0.0.1:8080 or [::1]:8080'
        )
    return Address(literal, parse_port(port, option))


def networks_from(texts: Sequence[str], option: str) -> list[str]:
    """Check IP addresses and networks. Raises Misuse."""
    import ipaddress

    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise Misuse(f'{option}: "{quoted(text)}" is not an IP address or network') from None
    return list(texts)


def hosts_from(texts: Sequence[str], option: str) -> list[str]:
    """Check names of hosts, without a port. Raises Misuse."""
    for text in texts:
        if host_name(text) is None:
            raise Misuse(
                f'{option}: "{quoted(text)}" is not a name of a host, such as desk.example.org'
            )
    return list(texts)


def registry_key_from(text: str | None, environment: Mapping[str, str]) -> str | None:
    """Check the digits of a registry's key: those given, or else $CHATAPP_REGISTRY_KEY. Raises
    Misuse."""
    typed = text if text is not None else environment.get("CHATAPP_REGISTRY_KEY") or None
    if typed is None:
        return None
    from chatapp.wire.identity import KeyRefused, require_fingerprint

    try:
        return require_fingerprint(typed)
    except KeyRefused as refusal:
        raise Misuse(
            f"{'CHATAPP_REGISTRY_KEY' if text is None else '--registry-key'}: {refusal}"
        ) from None


def listed_in(file: str | None, option: str) -> list[str] | None:
    """Return the lines of a file, except empty ones and those that begin with #; None for no file.
    Raises Misuse."""
    if file is None:
        return None
    try:
        with _path(file, option).open("rb") as stream:
            content = stream.read(LIST_BYTES_MAX + 1)
        if len(content) > LIST_BYTES_MAX:
            raise Misuse(
                f'{option}: "{quoted(file)}": a list may have {LIST_BYTES_MAX:,} bytes at most'
            )
        lines = (line.strip() for line in content.decode().splitlines())
    except OSError as error:
        raise Misuse(f'{option}: "{quoted(file)}": {error.strerror or error}') from None
    except UnicodeDecodeError:
        raise Misuse(f'{option}: "{quoted(file)}" is not UTF-8') from None
    return [line for line in lines if line and not line.startswith("#")]


def check_readable_again(files: Iterable[str]) -> None:
    """Refuse to reload what is no file: a pipe would be empty by now, or block the reader. Raises
    Misuse."""
    for file in files:
        if not path_of(file).is_file():
            raise Misuse(f'"{quoted(file)}" is not a file, so it cannot be reloaded')


def _path(text: str, option: str) -> Path:
    """Return the path that `text` names, with `~` for a home folder. Raises Misuse."""
    try:
        return path_of(text)
    except FileNotFoundError as error:
        raise Misuse(f'{option}: "{quoted(text)}": {error.strerror}') from None


_LIBRARIES_OF_WEB: Final = frozenset({"h11", "jinja2", "markupsafe", "starlette", "uvicorn"})


def is_of_web(missing: ModuleNotFoundError) -> bool:
    """Whether a module is missing as the extra `web` is not installed."""
    return missing.name is not None and missing.name.partition(".")[0] in _LIBRARIES_OF_WEB
