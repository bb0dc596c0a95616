"""`ChatApp config`: test a configuration file, or show the settings in force."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from chatapp.commands.parsing import HELP, command_line
from chatapp.validation import Misuse

app: Final = command_line()


@app.command(
    "config", epilog="Exit status: 0 fine, 2 misused or a wrong setting.", context_settings=HELP
)
def config(
    check: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Only test this file, and say in one line whether it is fine."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar="CHATAPP_CONFIG",
            help="The registry's configuration file.",
        ),
    ] = None,
) -> int:
    """Show the settings of a registry and where each comes from, or test a file."""
    from chatapp.registry.program.settings import Misconfigured, configure, shown

    try:
        if check is not None:
            configure(Path(check))
            typer.echo(f"{check}: fine")
        else:
            for line in shown(configure(Path(file) if file else None, environment=os.environ)):
                typer.echo(line)
    except Misconfigured as error:
        raise Misuse(str(error)) from None
    return 0
