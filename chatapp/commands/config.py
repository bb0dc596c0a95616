"""`ChatApp config`: it tests a configuration file, or shows the settings that hold.

It knows arguments; what a setting may be, `registry.settings` knows.
"""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from chatapp.options import HELP, command_line
from chatapp.validation import Misuse

app: Final = command_line()


@app.command(context_settings=HELP)
def config(
    check: Annotated[
        str | None, typer.Option(metavar="FILE", help="Only say in one line whether this file is fine.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--config", metavar="FILE", envvar="CHATAPP_CONFIG", help="The file that a registry gets."
        ),
    ] = None,
) -> int:
    """Show the settings of a registry and where each comes from, or test a file (status 2 when something is wrong)."""
    from chatapp.registry.settings import Misconfigured, configure, shown

    try:
        if check is not None:
            configure(Path(check))
            typer.echo(f"{check}: fine")
        else:
            for line in shown(configure(Path(file) if file else None, environment=os.environ)):
                typer.echo(line)
    except Misconfigured as wrong:
        raise Misuse(str(wrong)) from None
    return 0
