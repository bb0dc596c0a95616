"""`ChatApp stats`: the figures of a help desk, asked for by an operator over the network
(`peer.faces.line.stats`), or by the administrator on the registry's own machine."""

import os
from typing import Annotated, Final

import typer

from chatapp.commands.asking import folder_of_registry, show_answer
from chatapp.commands.parsing import CONTEXT, QUIET, Code, Data, Logging, RegistryKey, command_line
from chatapp.validation import (
    Misuse,
    check_options,
    code_from,
    counted,
    folder_from,
    name_from,
    registry_key_from,
    servers_from,
)
from chatapp.wire.address import parse_port

_ARGUMENTS: Final = ("server-ip", "server-port")

app: Final = command_line()


@app.command(
    "stats", epilog="Exit status: 0 shown, 1 not available, 2 misused.", context_settings=CONTEXT
)
def stats(
    words: Annotated[list[str] | None, typer.Argument(metavar="SERVER-IP SERVER-PORT")] = None,
    operator: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="An operator of the desk whose peer is not running."
        ),
    ] = None,
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="The queue; by default the first one.")
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
    code: Code = None,
    registry_key: RegistryKey = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times in seconds.")
    ] = False,
) -> int:
    """Show how many visitors a help desk has served today, and how long they waited.

    Without a server: the figures of the registry on this machine."""
    words = words or []
    check_options(words)
    if not words and operator is None:
        from chatapp.registry.rules.admin_requests import ShowStats

        return show_answer(folder_of_registry(data, None), ShowStats(), as_json=as_json)
    host, server_port = counted(words, "stats", _ARGUMENTS)
    if operator is None:
        raise Misuse("stats needs --as <name>: the name of an operator")
    name, of = name_from(operator, "--as"), name_from(queue, "--queue") if queue else ""
    there = parse_port(server_port, "server-port")
    folder = folder_from(data)
    shown, demanded = code_from(code, os.environ), registry_key_from(registry_key, os.environ)
    found = servers_from(host, there)
    from chatapp.peer.faces.line.stats import run

    return run(
        name=name,
        servers=found,
        registry_key=demanded,
        queue=of,
        data=folder,
        code=shown,
        as_json=as_json,
        log_level=log_level.value,
    )
