"""The kinds of files that a help desk may allow: by the end of the name, and by what such a file
begins with."""

from collections.abc import Callable
from typing import Final, NamedTuple

_ZIP: Final = b"PK\x03\x04"


class Kind(NamedTuple):
    """A kind of files."""

    media_type: str
    is_one: Callable[[bytes], bool]
    """Whether a whole content may be of this kind."""


def _begins(*heads: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(heads)


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument."
_JPEG: Final = Kind("image/jpeg", _begins(b"\xff\xd8\xff"))

KINDS: Final = {
    "pdf": Kind("application/pdf", _begins(b"%PDF-")),
    "png": Kind("image/png", _begins(b"\x89PNG\r\n\x1a\n")),
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "webp": Kind("image/webp", _is_webp),
    "gif": Kind("image/gif", _begins(b"GIF87a", b"GIF89a")),
    "txt": Kind("text/plain", _is_text),
    "csv": Kind("text/csv", _is_text),
    "docx": Kind(f"{_OPEN_XML}wordprocessingml.document", _begins(_ZIP)),
    "xlsx": Kind(f"{_OPEN_XML}spreadsheetml.sheet", _begins(_ZIP)),
    "pptx": Kind(f"{_OPEN_XML}presentationml.presentation", _begins(_ZIP)),
    "odt": Kind(f"{_OPEN_DOCUMENT}text", _begins(_ZIP)),
    "ods": Kind(f"{_OPEN_DOCUMENT}spreadsheet", _begins(_ZIP)),
    "odp": Kind(f"{_OPEN_DOCUMENT}presentation", _begins(_ZIP)),
    "zip": Kind("application/zip", _begins(_ZIP)),
}
"""The kinds, by the end of the name. Nothing is in here that a browser would run as a page."""


def ending(name: str) -> str:
    """Return the end of a name, in lower case: what is behind its last dot; empty for none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_honest(name: str, content: bytes) -> bool:
    """Return whether the content may be what the end of the name says."""
    kind = KINDS.get(ending(name))
    return kind is not None and kind.is_one(content)
