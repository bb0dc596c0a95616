"""`ChatApp backup`: copy everything that a registry keeps, while it runs or not."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from chatapp.commands.asking import FAILED, AsJson, Data, Port, answer_to, folder_of_registry, show
from chatapp.commands.parsing import HELP, command_line
from chatapp.validation import Misuse, whole_number_from
from chatapp.wire.errors import quoted

if TYPE_CHECKING:
    from chatapp.registry.rules.admin_requests import BackupMade

Folder: TypeAlias = Annotated[str, typer.Argument(metavar="DIR")]
Keep: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Make the backup in a new folder in DIR, and keep the newest N of them."
    ),
]

KEEP_MAX: Final = 1_000
"""Backups of a series: each is read to see whose it is."""

app: Final = command_line()


@app.command("backup", epilog="Exit status: 0 made, 1 not made, 2 misused.", context_settings=HELP)
def backup(
    folder: Folder, keep: Keep = None, port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Copy everything that a registry keeps into a new folder, while it runs or not."""
    target = path_from(folder).absolute()
    kept = None if keep is None else whole_number_from(keep, "--keep", least=1, most=KEEP_MAX)
    registry = folder_of_registry(data, port)
    from chatapp.registry.store.backup import BackupFailed

    try:
        made = _made(registry, target, kept)
    except BackupFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return FAILED
    if made is None:
        return FAILED
    show(made, as_json=as_json)
    return 0


def _made(registry: Path, target: Path, keep: int | None) -> "BackupMade | None":
    """Make a backup, and return what was copied. None, and a line on standard error, if it was not
    made. Raises BackupFailed."""
    from chatapp.registry.rules.admin_requests import BackupMade, MakeBackup
    from chatapp.registry.store.backup import (
        BackupFailed,
        next_in,
        note_backup,
        prune,
        read_manifest,
    )

    now = time.time()
    folder = target if keep is None else next_in(target, at=now)
    made = answer_to(registry, MakeBackup(str(folder)))
    if not isinstance(made, BackupMade):
        return None
    try:
        note_backup(registry, at=now)
    except OSError as error:
        raise BackupFailed(f"{error.filename or registry}: {error.strerror or error}") from None
    if keep is not None:
        prune(target, keep=keep, key=read_manifest(folder).key)
    return made


def path_from(text: str) -> Path:
    """Return the path of a folder that was typed. Raises Misuse."""
    from chatapp.wire.folders import path_of

    try:
        return path_of(text)
    except FileNotFoundError as error:
        raise Misuse(f'"{quoted(text)}": {error.strerror}') from None
