"""Folders that hold keys and mail: the home folder, and access for their owner alone."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


def path_of(named: str) -> Path:
    """Return the path that a person typed, with `~` and `~name` expanded. Raises
    FileNotFoundError."""
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise FileNotFoundError(errno.ENOENT, "there is no such user", named) from None


def whole_path(typed: str) -> str:
    """Return a path that a person typed in this program, as another program understands it too."""
    try:
        return str(path_of(typed).absolute()) if typed else ""
    except OSError:
        return typed


def default_home() -> Path:
    """Return $CHATAPP_HOME, or the platform's folder for a program's data. Raises
    FileNotFoundError."""
    named = os.environ.get("CHATAPP_HOME")
    return path_of(named) if named else platform_home()


def platform_home() -> Path:
    """Return the platform's folder for a program's data."""
    from platformdirs import (
        user_data_path,  # deferred: it takes 20 ms, which most starts need not spend
    )

    return user_data_path("ChatApp", appauthor=False)


def platform_downloads() -> Path:
    """Return the user's folder for what was downloaded, as the platform has it."""
    from platformdirs import user_downloads_path  # deferred as above

    return user_downloads_path()


def known_homes() -> list[Path]:
    """Return the folders in which keys of this user may be when no `--data` is given."""
    return [home for home in dict.fromkeys((default_home(), platform_home())) if home.is_dir()]


def make_private(folder: Path) -> None:
    """Create `folder` and its missing parents, accessible to this user alone, on the disk. Raises
    OSError."""
    missing = [missed for missed in (folder, *folder.parents) if not missed.exists()]
    for missed in reversed(missing):
        missed.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        sync_folder(missed.parent)
    folder.chmod(_FOLDER_MODE)


@contextlib.contextmanager
def at_folder(folder: Path) -> Iterator[None]:
    """Make this folder the current one for a moment: the path of a Unix socket is limited to about
    100 bytes, which a folder's path easily exceeds. Raises OSError."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def write_whole(path: Path, content: bytes, *, draft: Path | None = None) -> None:
    """Write a private file so that a crash leaves either all of it on disk or the earlier file.
    `draft`: where to write it before it gets its name; needed where several programs may write the
    same file at once. Raises OSError."""
    draft = draft or path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()  # an earlier program may have been killed here
    file = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE
    )
    with open(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(file)
    draft.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_public_half(path: Path, public: bytes, *, is_new: bool) -> bool:
    """Write the public half of a key beside the secret one, if it is not there yet. Return False if
    another one is there: the bytes of a damaged key are a key as well, but somebody else's."""
    text = public.hex().encode()
    if is_new or not path.exists():
        write_whole(path, text + b"\n")
        return True
    return path.read_bytes().strip() == text
