"""`ChatApp backup`: copy everything that a registry keeps, while it runs or not."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from chatapp.commands.asking import AsJson, Data, Port, folder_of_registry, show_answer
from chatapp.options import HELP, command_line
from chatapp.validation import Misuse
from chatapp.wire.errors import quoted

Folder: TypeAlias = Annotated[str, typer.Argument(metavar="DIR")]

app: Final = command_line()


@app.command("backup", epilog="Exit status: 0 made, 1 not made, 2 misused.", context_settings=HELP)
def backup(folder: Folder, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Copy everything that a registry keeps into a new folder, while it runs or not."""
    from chatapp.registry.admin.messages import MakeBackup

    request = MakeBackup(str(path_from(folder).absolute()))
    return show_answer(folder_of_registry(data, port), request, as_json=as_json)


def path_from(text: str) -> Path:
    """Return the path of a folder that was typed. Raises Misuse."""
    from chatapp.wire.folders import path_of

    try:
        return path_of(text)
    except FileNotFoundError as error:
        raise Misuse(f'"{quoted(text)}": {error.strerror}') from None
