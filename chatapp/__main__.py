"""The command line: its options, which of them go together, and the line that names a wrong one."""

import signal
import sys

if __name__ == "__main__" or sys.argv[0].endswith("ChatApp"):
    # While modules load, Ctrl-C ends the program at once. Later each mode installs a handler of its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

import chatapp
from chatapp.options import CODE_HELP, CONTEXT, DATA_HELP, KEY_HELP, LOG_HELP, LOG_VARIABLE, LogLevel
from chatapp.questions import ask_all, is_terminal
from chatapp.starting import open_closed_streams, serve, talk, visit
from chatapp.system import unsupported
from chatapp.validation import Misuse, check_options, folder_from
from chatapp.wire.errors import AddressRefused, NameRefused
from chatapp.wire.folders import default_home

SERVER_USAGE: Final = "ChatApp -s <port>"
CLIENT_USAGE: Final = "ChatApp -c <name> <server-ip> <server-port> <client-port>"
AGAIN_USAGE: Final = "ChatApp -c <name>"
SEND_USAGE: Final = "ChatApp send <name> <server-ip> <server-port> <to> <text>"
DESK_USAGE: Final = "ChatApp --desk <server-ip> <server-port>"
ACCESS_USAGE: Final = "Access: ChatApp invite [--count N]; ChatApp names list; ChatApp names release <name>"
EXPORT_USAGE: Final = "ChatApp export <name> [--format txt|jsonl] [--data DIR]"

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "config": ("chatapp.commands.config", "show or test a registry's settings"),
    "export": ("chatapp.commands.export", "write out a history"),
    "invite": ("chatapp.commands.invite", "make join codes"),
    "names": ("chatapp.commands.names", "list names, or release one"),
    "send": ("chatapp.commands.send", "send one message"),
    "stats": ("chatapp.commands.stats", "show a help desk's figures"),
}
"""First words that begin a command line of their own; the module whose `app` reads the rest of it, and what it does."""

_ROOM_HELP: Final = "Peer: enter this room at the start."
_HOST_HELP: Final = "Peer, visitor: the server's address, instead of the argument."
_PORT_HELP: Final = "The server's port, or the registry's own, instead of the argument."
_ACK_TIMEOUT_HELP: Final = "Peer: seconds until a message without an answer is sent again (0.1 to 3; 0.5)."
_PLAIN_HELP: Final = "Show one event a line without colours, as on a pipe."
_OPERATOR_HELP: Final = "Registry: an operator of the help desk, by name or key (repeatable)."
_REGION_HELP: Final = "Registry: the country of the help desk's phone numbers, such as IN."

_INVITE_HELP: Final = "Registry: newcomers need a join code."
_ALLOW_HELP: Final = "Registry: a file of keys, one a line; newcomers with other keys need a join code."
_BAN_HELP: Final = "Registry: a file of keys, names, addresses or networks to ban, one a line."

_COMPLETE_VARIABLE: Final = "_CHATAPP_COMPLETE"
_LINE_VARIABLES: Final = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where bash, and zsh and fish, put the line that is to be completed."""

_REGISTRY_HAS: Final = "only a registry (-s) has this option"

_FAILED: Final = 1
_MISUSED: Final = 2


def _of(who: str, about: str) -> str:
    """Say whose option it is."""
    return f"{who}: {about[0].lower()}{about[1:]}"


app: Final = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ChatApp {chatapp.__version__}")
        raise typer.Exit


def _first_words(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a command, which stands before everything else."""
    if context.params.get("words") or any(context.params.get(mode) for mode in ("server", "client", "desk")):
        return []
    return [(command, about) for command, (_, about) in COMMANDS.items() if command.startswith(incomplete)]


@app.command(
    epilog=f"Registry: {SERVER_USAGE}\n\nPeer: {CLIENT_USAGE}; later {AGAIN_USAGE}\n\n"
    f"Visitor of a help desk: {DESK_USAGE}\n\n"
    f"One message: {SEND_USAGE}\n\nHistory: {EXPORT_USAGE}\n\n"
    f"{ACCESS_USAGE}\n\n"
    "Add --help to ChatApp send, export, config, stats, invite or names to read more.",
    context_settings=CONTEXT,
)
def chat(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENTS",
            help="Ports are 1024-65535; the server is an IP address or a host name that resolves.",
            autocompletion=_first_words,
        ),
    ] = None,
    server: Annotated[bool, typer.Option("-s", "--server", help="Run the registry on <port>.")] = False,
    client: Annotated[
        bool,
        typer.Option("-c", "--client", help="Chat as a peer, by default at the server of the last time."),
    ] = False,
    desk: Annotated[bool, typer.Option("--desk", help="Visit the help desk of a registry.")] = False,
    data: Annotated[str | None, typer.Option(metavar="DIR", help=DATA_HELP)] = None,
    log_level: Annotated[
        LogLevel | None, typer.Option(envvar=LOG_VARIABLE, help=LOG_HELP, show_default="warning")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", envvar="CHATAPP_CONFIG", help="Registry: its configuration file (TOML)."
        ),
    ] = None,
    operator: Annotated[list[str] | None, typer.Option(metavar="NAME|KEY", help=_OPERATOR_HELP)] = None,
    region: Annotated[str | None, typer.Option(metavar="CC", help=_REGION_HELP)] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="Visitor: the queue to join.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help=_PLAIN_HELP)] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Peer, visitor: keep running when the input ends.")
    ] = False,
    room: Annotated[str | None, typer.Option(metavar="ROOM", help=_ROOM_HELP)] = None,
    ack_timeout: Annotated[
        str | None, typer.Option("--ack-timeout", metavar="SECONDS", help=_ACK_TIMEOUT_HELP)
    ] = None,
    code: Annotated[str | None, typer.Option(metavar="CODE", help=_of("Peer", CODE_HELP))] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help=_HOST_HELP)] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help=_PORT_HELP)] = None,
    registry_key: Annotated[
        str | None, typer.Option("--registry-key", metavar="KEY", help=_of("Peer, visitor", KEY_HELP))
    ] = None,
    invite_only: Annotated[bool, typer.Option("--invite-only", help=_INVITE_HELP)] = False,
    allow: Annotated[str | None, typer.Option(metavar="FILE", help=_ALLOW_HELP)] = None,
    ban: Annotated[str | None, typer.Option(metavar="FILE", help=_BAN_HELP)] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> int:
    """Chat for people who share a network: a registry introduces them, then they talk straight to each other."""
    words = words or []
    check_options(words)
    # `ChatApp` alone asks for what it needs.
    is_alone = not (words or server or client or desk or plain or host or port) and is_terminal()
    if not is_alone:
        _check_mode(server=server, client=client, desk=desk)
    access = {"--invite-only": invite_only, "--allow": allow, "--ban": ban}
    _check_fit({"--operator": operator, "--region": region, **access}, is_fit=server, who=_REGISTRY_HAS)
    _check_fit({"--queue": queue}, is_fit=desk, who="only a visitor (--desk) has this option")
    of_peer = {"--room": room is not None, "--ack-timeout": ack_timeout is not None, "--code": code}
    _check_fit(of_peer, is_fit=client or is_alone, who="only a peer (-c) has this option")
    of_both = {"--registry-key": registry_key is not None, "--host": host is not None}
    _check_fit(
        of_both,
        is_fit=client or desk or is_alone,
        who="only a peer (-c) and a visitor (--desk) have this option",
    )
    _check_fit(
        {"--stay": stay}, is_fit=client or desk or is_alone, who="a registry (-s) always keeps running"
    )
    if server:
        decided: dict[str, object] = {
            "data": data,
            "log_level": log_level and log_level.value,
            "region": region,
            "operators": operator or None,
            "invite_only": invite_only or None,
        }
        return serve(words, config, decided, {"allow": allow, "ban": ban}, port=port)
    level = (log_level or LogLevel.WARNING).value
    if desk:
        return visit(
            words,
            host=host,
            port=port,
            queue=queue,
            registry_key=registry_key,
            data=data,
            plain=plain,
            stay=stay,
            log_level=level,
        )
    if is_alone:
        chosen = ask_all(folder_from(data) or default_home(), room=room)
        words, host, port, room = [chosen.name], chosen.server.host, str(chosen.server.port), chosen.room
    return talk(
        words,
        host=host,
        port=port,
        room=room,
        ack_timeout=ack_timeout,
        code=code,
        registry_key=registry_key,
        data=data,
        plain=plain,
        stay=stay,
        log_level=level,
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: the program's own) and return the exit status; 2 for a mistake in it."""
    if why := unsupported():
        print(f"ChatApp: {why}", file=sys.stderr)
        return _FAILED
    open_closed_streams()
    words = list(sys.argv[1:] if args is None else args)
    try:
        status = _run(words)
        sys.stdout.flush()
    except OSError as error:
        return _unable(error)
    return status


def _run(words: list[str]) -> int:
    program, name = app, "ChatApp"
    if _COMPLETE_VARIABLE in os.environ:
        words = _words_to_complete()
    if words and words[0] in COMMANDS:
        program, name = importlib.import_module(COMMANDS[words[0]][0]).app, f"ChatApp {words.pop(0)}"
    try:
        status = typer.main.get_command(program).main(
            args=words, prog_name=name, complete_var=_COMPLETE_VARIABLE, standalone_mode=False
        )
    except typer.TyperException as mistake:
        return _misused(mistake.format_message())
    except (Misuse, NameRefused, AddressRefused) as mistake:
        return _misused(str(mistake))
    except typer.Abort:
        return 1
    return status if isinstance(status, int) else 0


_FIRST_IS_COMMAND: Final = re.compile(r"(\S+\s+)(\S+)\s+(.*)", re.DOTALL)
"""A line in pieces: the program, the next word, the rest. In bash's line there is a line end after each word."""


def _words_to_complete() -> list[str]:
    """Return the command whose line a shell wants completed, if it is one of `COMMANDS`.

    typer reads the line from the environment and knows one program with one set of options. So the command is taken out
    of the line, and what follows is completed as if the command were the program."""
    typer.main.get_command(app)  # makes the shells known to typer
    if os.environ.get("COMP_CWORD") == "1":
        return []  # the cursor is on the command itself
    for variable in _LINE_VARIABLES:
        line = _FIRST_IS_COMMAND.fullmatch(os.environ.get(variable, ""))
        if line is not None and line[2] in COMMANDS:
            os.environ[variable] = line[1] + line[3]
            os.environ["COMP_CWORD"] = str(int(os.environ.get("COMP_CWORD", "2")) - 1)
            return [line[2]]
    return []


def _unable(error: OSError) -> int:
    """Report an error of standard output, or of a file; a closed pipe is no error. Returns the exit status."""
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # otherwise the interpreter reports the error once more when it exits
    if isinstance(error, BrokenPipeError):
        return 0
    print(f"ChatApp: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
    return _FAILED


def _misused(why: str) -> int:
    print(f"ChatApp: {why}", file=sys.stderr)
    return _MISUSED


# --- checking


def _check_mode(*, server: bool, client: bool, desk: bool) -> None:
    if server and client:
        raise Misuse("-s and -c exclude each other: choose the registry or a peer")
    if desk and (server or client):
        raise Misuse(f"--desk and {'-s' if server else '-c'} exclude each other: choose one")
    if not server and not client and not desk:
        raise Misuse(f"choose one: {SERVER_USAGE}, or {CLIENT_USAGE}")


def _check_fit(options: Mapping[str, object], *, is_fit: bool, who: str) -> None:
    for option, value in options.items():
        if value and not is_fit:
            raise Misuse(f"{option}: {who}")


if __name__ == "__main__":
    sys.exit(main())
