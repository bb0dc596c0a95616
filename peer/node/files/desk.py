"""Files of the help desk on our disk: read to be sent, and written when they are whole. Everything
here may take its time, and runs in a thread."""

from pathlib import Path
from typing import Final

from chatapp.peer.api.errors import FileRefusal, FileRefused
from chatapp.peer.node.files.disk import free_names, open_file, opened, target_of
from chatapp.wire.files import clean_name

LARGEST: Final = 20_000_000
"""Bytes of the largest file that any desk takes: more is not read."""

_FOLDER_MODE: Final = 0o700


def read_file(typed: str) -> tuple[str, bytes]:
    """Return the name and the content of a file. Raises FileRefused."""
    path = Path(typed).expanduser()
    try:
        with opened(path) as (descriptor, found), open(descriptor, "rb", closefd=False) as file:
            if found.st_size > LARGEST:
                raise FileRefused(FileRefusal.NOT_READABLE, str(path), "larger than 20 MB")
            return path.name, file.read(LARGEST)
    except OSError as error:
        raise FileRefused(
            FileRefusal.NOT_READABLE, str(path), error.strerror or str(error)
        ) from None


def save_file(content: bytes, name: str, *, wanted: str, downloads: Path) -> Path:
    """Write a file under its own name in a folder, or as `wanted` says, and never over another one.
    Return where it is. Raises FileRefused."""
    target = target_of(
        str(Path(wanted).expanduser()) if wanted else "", downloads, clean_name(name)
    )
    try:
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        for path in free_names(target):
            try:
                descriptor = open_file(path)
            except FileExistsError:
                continue
            try:
                with open(descriptor, "wb") as file:
                    file.write(content)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            return path
    except OSError as error:
        raise FileRefused(
            FileRefusal.NOT_WRITTEN, str(target), error.strerror or str(error)
        ) from None
    raise FileRefused(FileRefusal.EXISTS, str(target))
