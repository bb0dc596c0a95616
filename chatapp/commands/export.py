"""`ChatApp export`: write the whole history of a name to standard output."""

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

from chatapp.commands.parsing import HELP, Data, command_line
from chatapp.peer.faces.export import Format, exported, history_of
from chatapp.validation import Misuse, folder_from, name_from
from chatapp.wire.errors import quoted

_FAILED: Final = 1

export_app: Final = command_line()


@export_app.command(
    "export",
    epilog="Exit status: 0 written, 1 unreadable, 2 misused.",
    context_settings=HELP,
)
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that you used with -c.")],
    form: Annotated[
        Format, typer.Option("--format", help="Lines of text, or JSON objects.")
    ] = Format.TXT,
    data: Data = None,
) -> int:
    """Write the whole history of a name to standard output, oldest first. Its peer may be
    running."""
    me, folder = name_from(name), folder_from(data)
    from chatapp.wire.folders import default_home

    home = folder or default_home()
    path = history_of(me, home)
    if path is None:
        raise Misuse(f'export: there is no history of the name "{quoted(me)}" in {home}')
    return _written(exported(path, me, form), path)


def _written(lines: Iterable[str], path: Path) -> int:
    """Write lines to standard output until they end or the reader closes it. Returns the exit
    status."""
    import sqlite3

    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=False)
    try:
        for line in lines:
            out.write(f"{line}\n")
        out.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), out.fileno()
        )  # otherwise the interpreter reports it when it exits
    except sqlite3.Error as error:
        print(f"ChatApp: {path}: {error}", file=sys.stderr)
        return _FAILED
    return 0
