"""`ChatApp stats`: the figures of a help desk, asked for by an operator over the network
(`peer.faces.line.stats`), or by the administrator on the registry's own machine."""

import os
from typing import Annotated, Final

import msgspec
import typer

from chatapp.commands.asking import folder_of_registry, show_answer
from chatapp.commands.parsing import QUIET, Code, Data, Logging, RegistryKey, single_command
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


class StatsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `ChatApp stats`."""

    operator: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="An operator of the desk whose peer is not running."
        ),
    ] = None
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="The queue; by default the first one.")
    ] = None
    data: Data = None
    log_level: Logging = QUIET
    code: Code = None
    registry_key: RegistryKey = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; times in seconds.")
    ] = False


def stats(words: list[str], options: StatsOptions) -> int:
    """Show how many visitors a help desk has served today, and how long they waited.

    Without a server: the figures of the registry on this machine."""
    check_options(words)
    if not words and options.operator is None:
        from chatapp.registry.rules.admin_requests import ShowStats

        folder = folder_of_registry(options.data, None)
        return show_answer(folder, ShowStats(), as_json=options.as_json)
    host, port = counted(words, "stats", _ARGUMENTS)
    if options.operator is None:
        raise Misuse("stats needs --as <name>: the name of an operator")
    name = name_from(options.operator, "--as")
    queue = name_from(options.queue, "--queue") if options.queue else ""
    server_port = parse_port(port, "server-port")
    data = folder_from(options.data)
    code = code_from(options.code, os.environ)
    demanded = registry_key_from(options.registry_key, os.environ)
    found = servers_from(host, server_port)
    from chatapp.peer.faces.line.stats import run
    from chatapp.peer.faces.program import StartOptions
    from chatapp.wire.folders import default_home

    wanted = StartOptions(
        name=name,
        servers=found,
        registry_key=demanded,
        home=data or default_home(),
        code=code,
    )
    level = options.log_level.value
    return run(wanted, queue=queue, as_json=options.as_json, log_level=level)


stats_app: Final = single_command(
    stats,
    StatsOptions,
    typer.Argument(metavar="SERVER-IP SERVER-PORT"),
    epilog="Exit status: 0 shown, 1 not available, 2 misused.",
)
