"""`ChatApp restore`: put a backup of a registry back."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chatapp.commands.asking import FAILED, Data, Port
from chatapp.commands.backup import Folder, path_from
from chatapp.commands.parsing import HELP, command_line
from chatapp.validation import Misuse, folder_from
from chatapp.wire.address import parse_port

if TYPE_CHECKING:
    from chatapp.registry.store.backup import Manifest

Replace = Annotated[
    bool,
    typer.Option("--replace", help="Move the present files aside instead of refusing to restore."),
]

app: Final = command_line()


@app.command("restore", epilog="Exit status: 0 done, 1 not done, 2 misused.", context_settings=HELP)
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
