"""`ChatApp daemon`: the arguments of a peer without a face; `peer.faces.line.daemon` runs it."""

from typing import Annotated, Final

import typer

from chatapp.options import (
    ACK_TIMEOUT_HELP,
    CONTEXT,
    QUIET,
    Code,
    Data,
    Logging,
    RegistryKey,
    command_line,
)
from chatapp.starting import talk
from chatapp.validation import check_options

app: Final = command_line()


@app.command(
    "daemon",
    epilog="It prints one line when it is ready, and ends by SIGTERM. ChatApp -c NAME and ChatApp send attach to it.",
    context_settings=CONTEXT,
)
def daemon(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME [SERVER-IP SERVER-PORT [CLIENT-PORT]]",
            help="As of ChatApp -c; by default the server of the last time, and any free port.",
        ),
    ] = None,
    data: Data = None,
    log_level: Logging = QUIET,
    room: Annotated[
        str | None, typer.Option(metavar="ROOM", help="Enter this room at the start.")
    ] = None,
    ack_timeout: Annotated[
        str | None, typer.Option("--ack-timeout", metavar="SECONDS", help=ACK_TIMEOUT_HELP)
    ] = None,
    code: Code = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="The server's address, instead of the argument."),
    ] = None,
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="The server's port, instead of the argument.")
    ] = None,
    registry_key: RegistryKey = None,
) -> int:
    """Run a peer without a terminal, for other programs of yours to use."""
    words = words or []
    check_options(words)
    return talk(
        words,
        host=host,
        port=port,
        room=room,
        ack_timeout=ack_timeout,
        code=code,
        registry_key=registry_key,
        data=data,
        log_level=log_level.value,
        is_daemon=True,
    )
