"""`ChatApp verify`: read everything that a registry keeps, or a backup, and say what is damaged."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chatapp.commands.asking import FAILED, AsJson, Data, Port, answer_to, folder_of_registry
from chatapp.commands.backup import path_from
from chatapp.commands.parsing import HELP, command_line

if TYPE_CHECKING:
    from chatapp.registry.rules.admin_requests import AdminAnswer

Backup = Annotated[
    str | None,
    typer.Argument(metavar="[DIR]", help="A backup, instead of the registry's own files."),
]

app: Final = command_line()


@app.command(
    "verify",
    epilog="Exit status: 0 all sound, 1 damaged or not read, 2 misused.",
    context_settings=HELP,
)
def verify(
    folder: Backup = None, port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Read everything that a registry keeps, or a backup, and say what is damaged. It changes
    nothing."""
    from chatapp.registry.program.admin.texts import lines_of
    from chatapp.registry.rules.admin_requests import FilesVerified, VerifyFiles

    is_own = folder is None
    answer = (
        answer_to(folder_of_registry(data, port), VerifyFiles()) if is_own else _read(folder or "")
    )
    if not isinstance(answer, FilesVerified):
        return FAILED
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(answer).decode())
    else:
        for line in lines_of(answer):
            typer.echo(line)
    return FAILED if answer.damage else 0


def _read(folder: str) -> "AdminAnswer | None":
    """Return what a backup has. None, and a line on standard error, if it is none."""
    from chatapp.registry.program.admin.client import verified
    from chatapp.registry.store.backup import BackupFailed, read_manifest

    backup = path_from(folder)
    try:
        read_manifest(backup)
        return verified(backup)
    except BackupFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return None
