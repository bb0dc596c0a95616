"""The preferences of a person: a small TOML file beside their keys that says how a peer shows
itself on a terminal, and what others are told.

The command line overrules it.
"""

import enum
import re
from pathlib import Path
from typing import Final, NamedTuple

from chatapp.validation import Misuse, folder_from, name_from
from chatapp.wire.errors import quoted

FILE_NAME: Final = "preferences.toml"
FILE_MAX: Final = 100_000
"""Bytes of the file at most."""

_UNITS: Final = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_SIZE: Final = re.compile(rf"(\d{{1,6}}) ({'|'.join(_UNITS)})", re.ASCII)


class Face(enum.Enum):
    """How a peer shows itself."""

    LINE = "line"
    """Lines and a prompt, with colours."""
    FULL = "full"
    """The whole terminal."""
    PLAIN = "plain"
    """One event a line without colours, as on a pipe."""


class Preferences(NamedTuple):
    """What a person prefers where the command line does not say."""

    face: Face = Face.LINE
    quiet: bool = False
    """Ring no bell, set no title, send no notice."""
    slow: bool = False
    """Spare a slow link."""
    seen: bool = False
    """Give seen marks to people who give theirs."""
    downloads: Path | None = None
    """Where to put files that others give; None for the usual place."""
    auto_accept: tuple[str, ...] = ()
    """People whose files are fetched without a question."""
    auto_accept_size: int = 100_000_000
    """Bytes of such a file at most."""
    page_files: int | None = None
    """Bytes of all copies of files that a page may give; None for the usual ones."""


def preferences_in(home: Path) -> Preferences:
    """Read the preferences in a person's folder; those of a missing file are the defaults. Raises
    Misuse, which names the file, the key and what is allowed."""
    path = home / FILE_NAME
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        return Preferences()
    except OSError as error:
        raise Misuse(f"{quoted(str(path))}: {error.strerror or error}") from None
    try:
        return _preferences(_table(content))
    except (ValueError, Misuse) as error:
        raise Misuse(f"{quoted(str(path))}: {error}") from None


def _table(content: bytes) -> dict[str, object]:
    """Parse the file. Raises ValueError."""
    import tomllib  # deferred: most starts find no such file

    if len(content) > FILE_MAX:
        raise ValueError(f"it may have {FILE_MAX:,} bytes at most")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is not TOML: {quoted(str(error))}") from None


def _preferences(table: dict[str, object]) -> Preferences:
    """Check the keys and their values. Raises ValueError."""
    chosen = Preferences()
    for key, value in table.items():
        match key:
            case "face":
                chosen = chosen._replace(face=_face(value))
            case "quiet":
                chosen = chosen._replace(quiet=_flag(key, value))
            case "slow":
                chosen = chosen._replace(slow=_flag(key, value))
            case "seen":
                chosen = chosen._replace(seen=_flag(key, value))
            case "downloads":
                chosen = chosen._replace(downloads=_folder(key, value))
            case "auto_accept":
                chosen = chosen._replace(auto_accept=_names(key, value))
            case "auto_accept_size":
                chosen = chosen._replace(auto_accept_size=_size(key, value))
            case "page_files":
                chosen = chosen._replace(page_files=_size(key, value))
            case _:
                raise ValueError(f"{quoted(key)}: unknown key; {_advice(key)}")
    return chosen


def _face(value: object) -> Face:
    try:
        return Face(value)
    except ValueError:
        given = f'"{quoted(value)}"' if isinstance(value, str) else "this value"
        allowed = ", ".join(f'"{face.value}"' for face in Face)
        raise ValueError(f"face: {given} is not one of {allowed}") from None


def _flag(key: str, value: object) -> bool:
    match value:
        case bool():
            return value
        case _:
            raise ValueError(f"{key}: write true or false, without quotation marks")


def _folder(key: str, value: object) -> Path | None:
    match value:
        case str():
            return folder_from(value, key)
        case _:
            raise ValueError(f"{key}: write a folder between quotation marks")


def _names(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f'{key}: write names as ["bob", "carol"]')
    return tuple(name_from(name, key) for name in value)


def _size(key: str, value: object) -> int:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{key}: write a size as "100 MB"; there are {", ".join(_UNITS)}')
    return int(found[1]) * _UNITS[found[2]]


def _advice(key: str) -> str:
    from chatapp.wire.text import nearest  # deferred: only a mistake needs it

    near = nearest(key.lower(), Preferences._fields)
    return f'did you mean "{near}"?' if near else f"there are {', '.join(Preferences._fields)}"
