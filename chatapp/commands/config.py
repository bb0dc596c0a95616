"""`ChatApp config`: test a configuration file, or show the settings in force; and `ChatApp check`: look at
what a registry on this machine needs, whether it runs or not."""

import os
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from chatapp.commands.asking import FAILED, AsJson, Data, Port, folder_of_registry
from chatapp.commands.parsing import HELP, command_line
from chatapp.options import CONFIG_VARIABLE
from chatapp.validation import Misuse, folder_from
from chatapp.wire.address import parse_port

ConfigFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The registry's configuration file.",
    ),
]

config_app: Final = command_line()


@config_app.command(
    "config", epilog="Exit status: 0 fine, 2 misused or a wrong setting.", context_settings=HELP
)
def config(
    check: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Only test this file, and say in one line whether it is fine."
        ),
    ] = None,
    file: ConfigFile = None,
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


_VERDICTS: Final = {True: "well", False: "WRONG", None: "?"}

check_app: Final = command_line()


@check_app.command(
    "check",
    epilog="A line with ? could not be checked. Exit status: 0 no problem found, 1 problem found, 2 misused.",
    context_settings=HELP,
)
def check(
    port: Port = None,
    data: Data = None,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Look at a registry's settings, port, disk and clock, and at the servers of its cluster and
    their certificates."""
    from chatapp.registry.program.settings import Misconfigured, cluster_of, configure

    try:
        settings = configure(Path(file) if file else None, environment=os.environ).settings
    except Misconfigured as error:
        raise Misuse(str(error)) from None
    from chatapp.registry.program.app import folder_of
    from chatapp.registry.program.checks import checks

    home = folder_from(data or settings.registry.data)
    if port is None:
        folder = folder_of_registry(data or settings.registry.data, None)
    else:
        folder = folder_of(parse_port(port, "--port"), home)
    found = list(checks(folder, cluster_of(settings.cluster)))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode({"type": "checks", "checks": found}).decode())
    else:
        for check in found:
            typer.echo(f"{_VERDICTS[check.is_well]:<5}  {check.what}: {check.found}")
    return FAILED if any(check.is_well is False for check in found) else 0
