"""`ChatApp send`: the arguments for sending a message or file; `peer.faces.line.send` sends it."""

import os
from typing import Annotated, Final

import typer

from chatapp.commands.parsing import CONTEXT, QUIET, Code, Data, Logging, RegistryKey, command_line
from chatapp.starting import remembered_server
from chatapp.validation import (
    Misuse,
    check_options,
    code_from,
    counted,
    folder_from,
    found_servers,
    name_from,
    own_name_from,
    registry_key_from,
)
from chatapp.wire.address import parse_port, parse_servers
from chatapp.wire.limits import RECIPIENTS_MAX
from chatapp.wire.names import PeerName, name_key

_ARGUMENTS: Final = ("name", "server-ip", "server-port", "to", "text")
_SHORT: Final = ("name", "to", "text")
"""The arguments without a server: the one where the program of this name runs, or of its last
start."""

send_app: Final = command_line()


@send_app.command(
    "send",
    epilog="Exit status: 0 delivered, 3 saved, 4 kept or failed, 2 misused.",
    context_settings=CONTEXT,
)
def send(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME [SERVER-IP SERVER-PORT] TO TEXT",
            help="TO: a name, or several: bob,carol. A TEXT of - reads standard input. Without a server, it goes to the one "
            "of the last start of NAME.",
        ),
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
    code: Code = None,
    registry_key: RegistryKey = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Send this file, instead of a text, and wait for it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the receipt as one JSON object.")
    ] = False,
) -> int:
    """Send one message or file to one person or to each of several, wait for its outcome, and leave."""
    words = [*(words or []), *(() if file is None else (file,))]
    is_short = len(words) == len(_SHORT)
    check_options(words[: len(_SHORT if is_short else _ARGUMENTS) - 1])
    if is_short:
        name, to, text = words
        servers = None
    else:
        name, host, server_port, to, text = counted(words, "send", _ARGUMENTS)
        servers = parse_servers(host, parse_port(server_port, "server-port"), "server-ip")
    me, others = own_name_from(name), _names_from(to)
    folder = folder_from(data)
    shown, demanded = code_from(code, os.environ), registry_key_from(registry_key, os.environ)
    if not text.strip():
        raise Misuse("text: the message is empty")
    usage = "send {name} <server-ip> <server-port> <to> <text>"
    found = (
        remembered_server(me, folder, usage=usage) if servers is None else found_servers(servers)
    )
    if file is not None and as_json:
        raise Misuse("--json is for messages")
    from chatapp.peer.faces.line.send import run, run_file
    from chatapp.peer.faces.program import StartOptions
    from chatapp.wire.folders import default_home

    said = None if text == "-" else os.fsencode(text).decode("utf-8", "replace")
    wanted = StartOptions(
        name=me,
        servers=found,
        registry_key=demanded,
        home=folder or default_home(),
        code=shown,
    )
    if file is not None:
        return run_file(wanted, to=others, path=file, log_level=log_level.value)
    return run(wanted, to=others, text=said, as_json=as_json, log_level=log_level.value)


def _names_from(to: str) -> list[PeerName]:
    """Return the people who are meant, each once. Raises Misuse."""
    named = [name_from(one, "to") for one in to.split(",")]
    names = list({name_key(one): one for one in named}.values())
    if len(names) > RECIPIENTS_MAX:
        raise Misuse(f"to: {len(names)} people; {RECIPIENTS_MAX} are the most")
    return names
