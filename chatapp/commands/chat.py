"""`ChatApp` without a command: the options of a registry, a peer and a visitor, and which of them
go together."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

import chatapp
from chatapp.commands import COMMANDS
from chatapp.options import ACK_TIMEOUT_HELP, CODE_HELP, CONTEXT, KEY_HELP, LOG_HELP, Data, LogLevel
from chatapp.preferences import FILE_NAME, Face
from chatapp.questions import ask_all, is_terminal
from chatapp.starting import CONFIG_VARIABLE, DEFAULT_LOG_LEVEL, LOG_VARIABLE, serve, talk, visit
from chatapp.validation import Misuse, check_options, folder_from, servers_from
from chatapp.wire.address import parse_port, servers_text
from chatapp.wire.errors import quoted
from chatapp.wire.folders import default_home

SERVER_USAGE: Final = "ChatApp -s <port>"
CLIENT_USAGE: Final = "ChatApp -c <name> <server-ip> <server-port> <client-port>"
AGAIN_USAGE: Final = "ChatApp -c <name>"
SEND_USAGE: Final = "ChatApp send <name> <server-ip> <server-port> <to> <text>"
DAEMON_USAGE: Final = "ChatApp daemon <name> [<server-ip> <server-port> [<client-port>]]"
DESK_USAGE: Final = "ChatApp --desk <server-ip> <server-port>"
WEB_USAGE: Final = "ChatApp web <server-ip> <server-port>"
ADMIN_USAGE: Final = "A registry on this machine: ChatApp admin --help"
ACCESS_USAGE: Final = (
    "Access: ChatApp invite [--count N]; ChatApp names list; ChatApp names release <name>"
)
EXPORT_USAGE: Final = "ChatApp export <name> [--format txt|jsonl] [--data DIR]"

_ROOM_HELP: Final = "Peer: enter this room at the start."
_HOST_HELP: Final = "Peer, visitor: the server's address, instead of the argument."
_PORT_HELP: Final = "The server's port, or the registry's own, instead of the argument."
_PLAIN_HELP: Final = "Show one event a line without colours, as on a pipe."
_FULL_HELP: Final = "Peer: use the whole terminal, with a list of conversations."
_LINE_HELP: Final = f"Peer: show lines and a prompt, whatever {FILE_NAME} says."
_QUIET_HELP: Final = (
    f"Ring no bell, set no title, send no notice; --no-quiet does, whatever {FILE_NAME} says."
)
_OPERATOR_HELP: Final = "Registry: an operator of the help desk, by name or key (repeatable)."
_LANG_HELP: Final = "Visitor: the language, en or hi; on a terminal that of LANG otherwise."
_REGION_HELP: Final = "Registry: the country of the help desk's phone numbers, such as IN."

_LOG_FORMAT_HELP: Final = "Registry: how to log, text or json (one object a line)."
_LOG_FILE_HELP: Final = "Registry: log to this file; SIGHUP reopens it."
_METRICS_HELP: Final = (
    "Registry: serve metrics and health checks by HTTP, such as 127.0.0.1:9464 "
    "(a port alone: 127.0.0.1)."
)
_METRICS_HOST_HELP: Final = (
    "Registry: a name under which metrics are asked for, beside localhost and IP addresses "
    "(repeatable)."
)
_NO_ANNOUNCE_HELP: Final = "Registry: do not announce it on the local network."
_INVITE_HELP: Final = "Registry: newcomers need a join code."
_ALLOW_HELP: Final = (
    "Registry: a file of keys, one a line; newcomers with other keys need a join code."
)
_GATEWAY_HELP: Final = (
    "Registry: the key of a web gateway (ChatApp web), whose visitors have limits of their own "
    "(repeatable)."
)
_ALSO_HELP: Final = (
    "Registry: its other servers, such as a:5000,b:5001; peers go there when this one is away."
)
_BAN_HELP: Final = "Registry: a file of keys, names, addresses or networks to ban, one a line."

_CLUSTER_HELP: Final = (
    "Registry: keep the state in NATS JetStream, at addresses such as nats://a,b,c. "
    "All registries with the same servers are one: each serves, and goes on if another one dies."
)
_CLUSTER_NAME_HELP: Final = "Registry: the name of its cluster on these servers."
_CLUSTER_KEY_HELP: Final = "Registry: the file of the key that the nodes of the cluster share."
_CREDENTIALS_HELP: Final = "Registry: a file of NATS credentials, or of an nkey's seed."

*_FIRST_COMMANDS, _LAST_COMMAND = COMMANDS

_REGISTRY_HAS: Final = "only a registry (-s) has this option"


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
    if context.params.get("words") or any(
        context.params.get(mode) for mode in ("server", "client", "desk")
    ):
        return []
    return [
        (command, about)
        for command, (_, about) in COMMANDS.items()
        if command.startswith(incomplete)
    ]


@app.command(
    epilog=f"Registry: {SERVER_USAGE}\n\nPeer: {CLIENT_USAGE}; later {AGAIN_USAGE}\n\n"
    f"Visitor of a help desk: {DESK_USAGE}; visitors in a browser: {WEB_USAGE}\n\n"
    f"One message: {SEND_USAGE}\n\nA peer for other programs: {DAEMON_USAGE}\n\nHistory: {EXPORT_USAGE}\n\n"
    f"{ADMIN_USAGE}\n\n{ACCESS_USAGE}\n\n"
    "Why not: ChatApp doctor [<server-ip> <server-port>]\n\n"
    f"Add --help to ChatApp {', '.join(_FIRST_COMMANDS)} or {_LAST_COMMAND} to read more.",
    context_settings=CONTEXT,
)
def chat(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENTS",
            help="Ports are 1024-65535; the server is an IP address or a host name that resolves; several of one "
            "registry have commas between them, and :<port> where the port is another one.",
            autocompletion=_first_words,
        ),
    ] = None,
    server: Annotated[
        bool, typer.Option("-s", "--server", help="Run the registry on <port>.")
    ] = False,
    client: Annotated[
        bool,
        typer.Option(
            "-c", "--client", help="Chat as a peer, by default at the server of the last time."
        ),
    ] = False,
    desk: Annotated[
        bool, typer.Option("--desk", help="Visit the help desk of a registry.")
    ] = False,
    data: Data = None,
    log_level: Annotated[
        LogLevel | None, typer.Option(envvar=LOG_VARIABLE, help=LOG_HELP, show_default="warning")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", envvar=CONFIG_VARIABLE, help="Registry: its configuration file (TOML)."
        ),
    ] = None,
    operator: Annotated[
        list[str] | None, typer.Option(metavar="NAME|KEY", help=_OPERATOR_HELP)
    ] = None,
    region: Annotated[str | None, typer.Option(metavar="CC", help=_REGION_HELP)] = None,
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="Visitor: the queue to join.")
    ] = None,
    lang: Annotated[str | None, typer.Option(metavar="LANGUAGE", help=_LANG_HELP)] = None,
    plain: Annotated[bool, typer.Option("--plain", help=_PLAIN_HELP)] = False,
    full: Annotated[bool, typer.Option("--full", help=_FULL_HELP)] = False,
    line: Annotated[bool, typer.Option("--line", help=_LINE_HELP)] = False,
    quiet: Annotated[
        bool | None, typer.Option("--quiet/--no-quiet", help=_QUIET_HELP, show_default=False)
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Peer, visitor: keep running when the input ends.")
    ] = False,
    room: Annotated[str | None, typer.Option(metavar="ROOM", help=_ROOM_HELP)] = None,
    ack_timeout: Annotated[
        str | None,
        typer.Option("--ack-timeout", metavar="SECONDS", help=_of("Peer", ACK_TIMEOUT_HELP)),
    ] = None,
    code: Annotated[str | None, typer.Option(metavar="CODE", help=_of("Peer", CODE_HELP))] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help=_HOST_HELP)] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help=_PORT_HELP)] = None,
    registry_key: Annotated[
        str | None,
        typer.Option("--registry-key", metavar="KEY", help=_of("Peer, visitor", KEY_HELP)),
    ] = None,
    no_announce: Annotated[bool, typer.Option("--no-announce", help=_NO_ANNOUNCE_HELP)] = False,
    log_format: Annotated[str | None, typer.Option(metavar="FORMAT", help=_LOG_FORMAT_HELP)] = None,
    log_file: Annotated[str | None, typer.Option(metavar="FILE", help=_LOG_FILE_HELP)] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="[ADDRESS:]PORT", help=_METRICS_HELP)
    ] = None,
    metrics_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=_METRICS_HOST_HELP)
    ] = None,
    invite_only: Annotated[bool, typer.Option("--invite-only", help=_INVITE_HELP)] = False,
    allow: Annotated[str | None, typer.Option(metavar="FILE", help=_ALLOW_HELP)] = None,
    ban: Annotated[str | None, typer.Option(metavar="FILE", help=_BAN_HELP)] = None,
    also: Annotated[str | None, typer.Option(metavar="SERVERS", help=_ALSO_HELP)] = None,
    gateway: Annotated[list[str] | None, typer.Option(metavar="KEY", help=_GATEWAY_HELP)] = None,
    cluster: Annotated[str | None, typer.Option(metavar="URL,...", help=_CLUSTER_HELP)] = None,
    cluster_name: Annotated[
        str | None, typer.Option(metavar="NAME", help=_CLUSTER_NAME_HELP)
    ] = None,
    cluster_key: Annotated[str | None, typer.Option(metavar="FILE", help=_CLUSTER_KEY_HELP)] = None,
    cluster_credentials: Annotated[
        str | None, typer.Option(metavar="FILE", help=_CREDENTIALS_HELP)
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> int:
    """Chat for people who share a network: a registry introduces them, then they talk directly to
    each other."""
    words = words or []
    check_options(words)
    # `ChatApp` alone, or with nothing but a server, asks for what it needs.
    is_bare = not (words or server or client or desk or plain) and (host is None) == (port is None)
    is_alone = is_bare and is_terminal()
    if not is_alone:
        _check_mode(words, server=server, client=client, desk=desk)
    access = {
        "--log-format": log_format,
        "--log-file": log_file,
        "--metrics": metrics,
        "--metrics-host": metrics_host,
        "--no-announce": no_announce,
        "--invite-only": invite_only,
        "--allow": allow,
        "--ban": ban,
        "--also": also is not None,
        "--gateway": gateway,
        "--cluster": cluster,
        "--cluster-name": cluster_name,
        "--cluster-key": cluster_key,
        "--cluster-credentials": cluster_credentials,
    }
    _check_fit(
        {"--operator": operator, "--region": region, **access}, is_fit=server, who=_REGISTRY_HAS
    )
    _check_fit(
        {"--queue": queue, "--lang": lang is not None},
        is_fit=desk,
        who="only a visitor (--desk) has this option",
    )
    face = _face(full=full, line=line, plain=plain)
    of_peer = {
        "--room": room is not None,
        "--ack-timeout": ack_timeout is not None,
        "--code": code,
        "--full": full,
        "--line": line,
    }
    _check_fit(of_peer, is_fit=client or is_alone, who="only a peer (-c) has this option")
    of_both = {"--registry-key": registry_key is not None, "--host": host is not None}
    _check_fit(
        of_both,
        is_fit=client or desk or is_alone,
        who="only a peer (-c) and a visitor (--desk) have this option",
    )
    _check_fit(
        {"--stay": stay},
        is_fit=client or desk or is_alone,
        who="a registry (-s) always keeps running",
    )
    if server:
        decided: dict[str, object] = {
            "data": data,
            "log_level": log_level and log_level.value,
            "region": region,
            "operators": operator or None,
            "announce": False if no_announce else None,
            "metrics": metrics,
            "metrics_hosts": metrics_host or None,
            "log_format": log_format,
            "log_file": log_file,
            "invite_only": invite_only or None,
            "servers": None if also is None else [one.strip() for one in also.split(",")],
            "gateways": gateway or None,
            "cluster": None if cluster is None else cluster.split(","),
            "cluster_name": cluster_name,
            "cluster_key": cluster_key,
            "cluster_credentials": cluster_credentials,
        }
        return serve(
            words, config, decided, {"allow": allow, "ban": ban}, port=port, quiet=bool(quiet)
        )
    level = log_level.value if log_level else DEFAULT_LOG_LEVEL
    if desk:
        return visit(
            words,
            host=host,
            port=port,
            queue=queue,
            registry_key=registry_key,
            data=data,
            plain=plain,
            quiet=bool(quiet),
            stay=stay,
            lang=lang,
            log_level=level,
        )
    announced_key = None
    if is_alone:
        given = (
            None
            if host is None or port is None
            else servers_from(host, parse_port(port, "server-port"))
        )
        chosen = ask_all(folder_from(data) or default_home(), servers=given, room=room)
        words, room = [chosen.name], chosen.room
        host, port = servers_text(chosen.server.servers), str(chosen.server.servers[0].port)
        announced_key = chosen.server.announced_key
    return talk(
        words,
        host=host,
        port=port,
        room=room,
        ack_timeout=ack_timeout,
        code=code,
        registry_key=registry_key,
        announced_key=announced_key,
        data=data,
        face=face,
        quiet=quiet,
        stay=stay,
        log_level=level,
    )


# --- checking


def _check_mode(words: Sequence[str], *, server: bool, client: bool, desk: bool) -> None:
    if server and client:
        raise Misuse("use either -s or -c")
    if desk and (server or client):
        raise Misuse(f"use either --desk or {'-s' if server else '-c'}")
    if not server and not client and not desk and words:
        from chatapp.wire.suggestions import nearest  # deferred: only a mistake needs it

        if near := nearest(words[0].lower(), COMMANDS):
            raise Misuse(f'"{quoted(words[0])}" is not a command: did you mean "{near}"?')
    if not server and not client and not desk:
        raise Misuse(f"nothing to do: {SERVER_USAGE}, or {CLIENT_USAGE}")


def _face(*, full: bool, line: bool, plain: bool) -> Face | None:
    """Return the face that the options choose, None for none."""
    asked = [
        face
        for face, is_asked in ((Face.FULL, full), (Face.LINE, line), (Face.PLAIN, plain))
        if is_asked
    ]
    if len(asked) > 1:
        raise Misuse(f"use either --{asked[0].value} or --{asked[1].value}")
    return asked[0] if asked else None


def _check_fit(options: Mapping[str, object], *, is_fit: bool, who: str) -> None:
    for option, value in options.items():
        if value and not is_fit:
            raise Misuse(f"{option}: {who}")
