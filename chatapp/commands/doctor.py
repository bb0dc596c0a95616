"""`ChatApp doctor`: the arguments for finding out why something does not work;
`peer.faces.line.doctor` finds out."""

from typing import Annotated, Final

import typer

from chatapp.commands.parsing import CONTEXT, QUIET, Data, Logging, command_line
from chatapp.validation import Misuse, check_options, counted, folder_from, name_from
from chatapp.wire.address import parse_port, parse_servers

_ARGUMENTS: Final = ("server-ip", "server-port")

doctor_app: Final = command_line()


@doctor_app.command(
    "doctor",
    epilog="Exit status: 0 all is well, 1 problem found, 2 misused.",
    context_settings=CONTEXT,
)
def doctor(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SERVER-IP SERVER-PORT]", help="By default the server of the last start."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Your name; by default that of the last start."),
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
) -> int:
    """Check the connection to a server, your name and your disk, and say what to do about each
    problem."""
    words = words or []
    check_options(words)
    folder = folder_from(data)
    me = None if name is None else name_from(name)
    from chatapp.peer.node.starts import latest_name, start_of
    from chatapp.wire.folders import default_home

    home = folder or default_home()
    me = me or latest_name(home)
    start = None if me is None else start_of(home, me)
    if words:
        host, port = counted(words, "doctor", _ARGUMENTS)
        servers = parse_servers(host, parse_port(port, "server-port"), "server-ip")
    elif start is not None:
        servers = start.servers
    else:
        raise Misuse("no server is known here yet: type ChatApp doctor <server-ip> <server-port>")
    is_known_there = start is not None and not set(start.servers).isdisjoint(servers)
    from chatapp.peer.faces.line.doctor import run

    return run(
        servers=servers, name=me if is_known_there else None, home=home, log_level=log_level.value
    )
