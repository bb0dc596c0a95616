"""Backups of a registry (`ChatApp backup`, `ChatApp restore`), and reading all that it or a backup keeps
(`ChatApp verify`)."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from chatapp.commands.asking import FAILED, AsJson, Data, Port, answer_to, folder_of_registry, show
from chatapp.commands.parsing import HELP, command_line
from chatapp.validation import Misuse, folder_from, whole_number_from
from chatapp.wire.address import parse_port
from chatapp.wire.errors import quoted

if TYPE_CHECKING:
    from chatapp.registry.rules.admin_requests import AdminAnswer, BackupMade
    from chatapp.registry.store.backup import Manifest

Folder: TypeAlias = Annotated[str, typer.Argument(metavar="DIR")]
Keep: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Make the backup in a new folder in DIR, and keep the newest N of them."
    ),
]

KEEP_MAX: Final = 1_000
"""Backups of a series: each is read to see whose it is."""

backup_app: Final = command_line()


@backup_app.command(
    "backup", epilog="Exit status: 0 made, 1 not made, 2 misused.", context_settings=HELP
)
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


Replace = Annotated[
    bool,
    typer.Option("--replace", help="Move the present files aside instead of refusing to restore."),
]

restore_app: Final = command_line()


@restore_app.command(
    "restore", epilog="Exit status: 0 done, 1 not done, 2 misused.", context_settings=HELP
)
def restore(folder: Folder, port: Port = None, data: Data = None, replace: Replace = False) -> int:
    """Put a backup back. The registry must not run. Whatever was said since then is still with
    those who said it."""
    wanted = None if port is None else parse_port(port, "--port")
    source, home = path_from(folder), folder_from(data)
    from chatapp.registry.program.admin.client import AdminRequestFailed
    from chatapp.registry.program.app import folder_of
    from chatapp.registry.store.backup import BackupFailed, flaws_of, read_manifest

    try:
        manifest = read_manifest(source)
        flaws = flaws_of(source, manifest)
        for flaw in flaws:
            print(f"ChatApp: {flaw}", file=sys.stderr)
        if flaws:
            return FAILED
        target = folder_of(wanted or manifest.port, home)
        _restore(source, manifest, target, replace=replace)
    except (BackupFailed, AdminRequestFailed) as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return FAILED
    typer.echo(f"{target}: {len(manifest.files):,} files, {manifest.size:,} bytes restored")
    return 0


def _restore(source: Path, manifest: "Manifest", target: Path, *, replace: bool) -> None:
    """Put a backup back, instead of the files that are there. Raises BackupFailed,
    AdminRequestFailed, Misuse."""
    from chatapp.registry.program.admin.client import held
    from chatapp.registry.store.backup import put_back

    if not target.exists():
        put_back(source, manifest, target, aside=None)
        return
    with held(target):
        if _key_of(target) not in (None, manifest.key):
            raise Misuse(
                f"{target} belongs to another registry than the backup: move it away first"
            )
        if not replace:
            raise Misuse(f"{target} has files of this registry: --replace moves them aside")
        aside = target.with_name(f"{target.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
        put_back(source, manifest, target, aside=aside)
    typer.echo(f"the former files are in {aside}")


def _key_of(folder: Path) -> str | None:
    """Return a registry's key; None if its file is missing or damaged, which may be the reason to
    restore it."""
    from chatapp.registry.program.admin.client import AdminRequestFailed, key_of

    try:
        return key_of(folder).hex()
    except AdminRequestFailed:
        return None


Backup = Annotated[
    str | None,
    typer.Argument(metavar="[DIR]", help="A backup, instead of the registry's own files."),
]

verify_app: Final = command_line()


@verify_app.command(
    "verify",
    epilog="Exit status: 0 all sound, 1 damaged or not read, 2 misused.",
    context_settings=HELP,
)
def verify(
    folder: Backup = None, port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Read everything that a registry keeps, or a backup, and say what is damaged. It changes
    nothing."""
    from chatapp.registry.rules.admin_requests import FilesVerified, VerifyFiles

    is_own = folder is None
    answer = (
        answer_to(folder_of_registry(data, port), VerifyFiles()) if is_own else _read(folder or "")
    )
    if not isinstance(answer, FilesVerified):
        return FAILED
    show(answer, as_json=as_json)
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
