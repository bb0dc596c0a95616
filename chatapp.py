"""This file is about the command line: it checks what was typed, then starts a registry or a peer.

It knows arguments and the line that names a wrong one. It must not know how either program works; each is imported only
when asked for, so that a peer never loads the registry.
"""

import signal
import sys

if __name__ == "__main__" or sys.argv[0].endswith("ChatApp"):
    # While modules load, Ctrl-C ends the program as it ends any other; then each mode has its own way.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import enum
import io
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from wire.address import Address, literal, normal, port_of
from wire.errors import AddressRefused, ChatAppError, NameRefused, quoted
from wire.names import PeerName, peer_name

SERVER_USAGE: Final = "ChatApp -s <port>"
CLIENT_USAGE: Final = "ChatApp -c <name> <server-ip> <server-port> <client-port>"
SEND_USAGE: Final = "ChatApp send <name> <server-ip> <server-port> <to> <text>"
EXPORT_USAGE: Final = "ChatApp export <name> [--format txt|jsonl] [--data DIR]"
_SERVER_ARGUMENTS: Final = ("port",)
_CLIENT_ARGUMENTS: Final = ("name", "server-ip", "server-port", "client-port")
_SEND_ARGUMENTS: Final = ("name", "server-ip", "server-port", "to", "text")

_DATA_HELP: Final = "Where keys, mail and history are kept."
_LOG_HELP: Final = "How much to log on standard error."
_ROOM_HELP: Final = "Peer: enter this room at start."
_JSON_HELP: Final = "Print the receipt as one JSON object."
_PLAIN_HELP: Final = "One event a line and no colours, as on a pipe."

_MISUSED: Final = 2
_LOOKUP_TIMEOUT: Final = 5.0
"""Seconds that a host name may take. A resolver without a network would otherwise hold the program for minutes."""

_NUMERIC: Final = re.compile(r"[0-9.]+\Z|0[xX]")
_NEGATIVE: Final = re.compile(r"-[0-9]")


class LogLevel(enum.Enum):
    """How much the program tells about itself on standard error; never the text of a message."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class _Misuse(ChatAppError):
    """A command line that cannot be carried out; the text names the culprit."""


app: Final = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"ChatApp {version('chatapp')}")
        except PackageNotFoundError:
            typer.echo("ChatApp (not installed)")
        raise typer.Exit


@app.command(
    epilog=f"Registry: {SERVER_USAGE}\n\nPeer: {CLIENT_USAGE}\n\nOne message: {SEND_USAGE}\n\nHistory: {EXPORT_USAGE}",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
)
def chat(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENTS",
            help="Ports are 1024-65535; the server is an IP address or a host name that resolves.",
        ),
    ] = None,
    server: Annotated[bool, typer.Option("-s", "--server", help="Be the registry on <port>.")] = False,
    client: Annotated[bool, typer.Option("-c", "--client", help="Be a peer on <client-port>.")] = False,
    data: Annotated[str | None, typer.Option(metavar="DIR", help=_DATA_HELP)] = None,
    log_level: Annotated[LogLevel, typer.Option(help=_LOG_HELP)] = LogLevel.WARNING,
    plain: Annotated[bool, typer.Option("--plain", help=_PLAIN_HELP)] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Peer: stay when the input ends.")] = False,
    room: Annotated[str | None, typer.Option(metavar="ROOM", help=_ROOM_HELP)] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> int:
    """Chat for people who share a network: a registry introduces them, then they talk straight to each other."""
    words = words or []
    _check_mode(words, server, client)
    if server:
        (port_text,) = _counted(words, "-s", _SERVER_ARGUMENTS)
        port = port_of(port_text, "port")
        if stay:
            raise _Misuse("--stay: only a peer (-c) has it")
        if room is not None:
            raise _Misuse("--room: only a peer (-c) has it")
        from registry.server import run as serve

        return serve(port=port, data=_folder(data), log_level=log_level.value)
    name, host, server_port, client_port = _counted(words, "-c", _CLIENT_ARGUMENTS)
    me = _name(name)
    entered = None if room is None else _name(room.removeprefix("#"), "--room")
    there, here = port_of(server_port, "server-port"), port_of(client_port, "client-port")
    folder = _folder(data)
    found = Address(_host(host, "server-ip"), there)
    from peer.ui.main import run

    return run(
        name=me,
        server=found,
        port=here,
        data=folder,
        plain=plain,
        stay=stay,
        room=entered,
        log_level=log_level.value,
    )


# --- commands beside -s and -c: the first word is the command's name -------------------------------------------------

commands: Final[dict[str, typer.Typer]] = {}
"""By name. Each is an app of its own, so that its options are its alone."""


def command(
    name: str, *, epilog: str | None = None, ignore_unknown: bool = False
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a function the command `ChatApp <name> ...`; it returns the exit status. `ignore_unknown`: what looks like an
    option and is none is an argument."""

    def add(function: Callable[..., int]) -> Callable[..., int]:
        commands[name] = typer.Typer(
            rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False
        )
        settings = {"help_option_names": ["-h", "--help"], "ignore_unknown_options": ignore_unknown}
        return commands[name].command(name, epilog=epilog, context_settings=settings)(function)

    return add


@command(
    "send", epilog="Exit status: 0 delivered, 3 saved, 4 kept or failed, 2 misused.", ignore_unknown=True
)
def send(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME SERVER-IP SERVER-PORT TO TEXT", help="TEXT - reads standard input."),
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="DIR", help=_DATA_HELP)] = None,
    log_level: Annotated[LogLevel, typer.Option(help=_LOG_HELP)] = LogLevel.WARNING,
    as_json: Annotated[bool, typer.Option("--json", help=_JSON_HELP)] = False,
) -> int:
    """Say one thing to one person, wait for what becomes of it, and leave."""
    words = words or []
    _check_options(words[: len(_SEND_ARGUMENTS) - 1])
    name, host, server_port, to, text = _counted(words, "send", _SEND_ARGUMENTS)
    me, other = _name(name), _name(to, "to")
    there = port_of(server_port, "server-port")
    folder = _folder(data)
    if not text.strip():
        raise _Misuse("text: there is nothing to say")
    found = Address(_host(host, "server-ip"), there)
    from peer.ui.once import run

    said = None if text == "-" else os.fsencode(text).decode("utf-8", "replace")
    return run(
        name=me, server=found, to=other, text=said, data=folder, as_json=as_json, log_level=log_level.value
    )


class Format(enum.Enum):
    """How an export is written."""

    TXT = "txt"
    JSONL = "jsonl"


@command("export")
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose history: a name used with -c.")],
    form: Annotated[Format, typer.Option("--format", help="Lines to read, or JSON objects.")] = Format.TXT,
    data: Annotated[str | None, typer.Option(metavar="DIR", help=_DATA_HELP)] = None,
) -> int:
    """Write the whole history of a name to standard output, oldest first. Its peer may be running."""
    me, folder = _name(name), _folder(data)
    from peer import export as exporting
    from wire.folders import default_home

    home = folder or default_home()
    path = exporting.history_of(me, home)
    if path is None:
        raise _Misuse(f'export: nobody of the name "{quoted(me)}" has a history in {home}')
    return _written(exporting.exported(path, me, exporting.Format(form.value)), path)


def _written(lines: Iterable[str], path: Path) -> int:
    """To standard output, as long as somebody reads."""
    import sqlite3

    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=False)
    try:
        for line in lines:
            out.write(f"{line}\n")
        out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or the interpreter complains at its end
    except (sqlite3.Error, OSError) as error:
        print(f"ChatApp: {path}: {error}", file=sys.stderr)
        return 1
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: the program's own) and return the exit status; 2 for a mistake in it."""
    words = list(sys.argv[1:] if args is None else args)
    chosen = commands.get(words[0]) if words else None
    name = "ChatApp" if chosen is None else f"ChatApp {words.pop(0)}"
    try:
        status = typer.main.get_command(chosen or app).main(args=words, prog_name=name, standalone_mode=False)
    except typer.TyperException as mistake:
        return _misused(mistake.format_message())
    except (_Misuse, NameRefused, AddressRefused) as mistake:
        return _misused(str(mistake))
    except typer.Abort:
        return 1
    return status if isinstance(status, int) else 0


def _misused(why: str) -> int:
    print(f"ChatApp: {why}", file=sys.stderr)
    return _MISUSED


# --- checking --------------------------------------------------------------------------------------------------


def _check_mode(words: Sequence[str], server: bool, client: bool) -> None:
    _check_options(words)
    if server and client:
        raise _Misuse("-s and -c exclude each other: be the registry or a peer")
    if not server and not client:
        raise _Misuse(f"say which: {SERVER_USAGE}, or {CLIENT_USAGE}")


def _check_options(words: Sequence[str]) -> None:
    for word in words:
        if len(word) > 1 and word.startswith("-") and not _NEGATIVE.match(word):
            raise _Misuse(f'unknown option "{quoted(word)}"; see ChatApp --help')


def _counted(words: Sequence[str], mode: str, arguments: Sequence[str]) -> Sequence[str]:
    needs = f"{mode} needs {' '.join(f'<{one}>' for one in arguments)}"
    if len(words) < len(arguments):
        missing = " and ".join(f"<{one}>" for one in arguments[len(words) :])
        raise _Misuse(f"{needs}: {missing} missing")
    if len(words) > len(arguments):
        raise _Misuse(f'{needs}: "{quoted(words[len(arguments)])}" is too much')
    return words


def _name(text: str, what: str = "name") -> PeerName:
    try:
        return peer_name(text)
    except NameRefused as refusal:
        raise _Misuse(f"{what}: {refusal}") from None


def _folder(text: str | None) -> Path | None:
    if text is None:
        return None
    folder = Path(text).expanduser()
    if not text or (folder.exists() and not folder.is_dir()):
        raise _Misuse(f'--data: "{quoted(text)}" is not a folder')
    return folder


def _host(text: str, what: str) -> str:
    """The IP address that `text` is or resolves to."""
    found = literal(text)
    if found is None and (not text or _NUMERIC.match(text)):
        raise AddressRefused(what, text, "is not an IP address")  # some resolvers would take "127.1" for one
    found = found or _looked_up(text)
    if found is None:
        raise AddressRefused(what, text, "is neither an IP address nor the name of a host that can be found")
    if found in ("0.0.0.0", "::", "255.255.255.255"):
        raise AddressRefused(what, text, "is not the address of one machine")
    return found


def _looked_up(name: str) -> str | None:
    """The address of host `name`, IPv4 where it has both; None when there is none or no answer in time."""
    found: list[tuple[int, str]] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        found.extend((family, normal(str(where[0]))) for family, _, _, _, where in answers)

    thread = threading.Thread(target=look_up, daemon=True)  # getaddrinfo itself knows no deadline
    thread.start()
    thread.join(_LOOKUP_TIMEOUT)
    of_ipv4 = (host for family, host in found if family == socket.AF_INET)
    return next(of_ipv4, found[0][1] if found else None)


if __name__ == "__main__":
    sys.exit(main())
