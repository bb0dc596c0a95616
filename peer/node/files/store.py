"""What a node keeps of files from one run to the next: the book, and the hashes of what it offers."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.api.files import FileState
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.node.keystore import FILES
from chatapp.wire.codec import encode
from chatapp.wire.errors import quoted
from chatapp.wire.folders import make_private, write_whole

_BOOK: Final = "book"
_decode: Final = msgspec.msgpack.Decoder(list[KnownFile]).decode
_log = logging.getLogger("chatapp.peer")


class FileStore:
    """The folder `files` of a peer. It is made when there is something to keep."""

    def __init__(self, home: Callable[[], Path]) -> None:
        """`home`: returns the peer's folder, which moves when its name changes."""
        self._home: Final = home

    def load(self) -> FileBook:
        """Return the files that are known. A list that cannot be read is put aside; hashes that
        nobody can ask for any more are removed."""
        path = self._folder / _BOOK
        try:
            book = FileBook(_decode(path.read_bytes()))
        except FileNotFoundError:
            return FileBook()
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            _log.error("the list of files cannot be read: %s", quoted(str(error)))
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".damaged"))
            return FileBook()
        kept = {
            self.hashes_of(file.content)
            for file in book.stored()
            if file.is_ours or (file.is_held and file.state is FileState.DONE)
        }
        with contextlib.suppress(OSError):
            for hashes in set(self._folder.glob("*.hashes")) - kept:
                hashes.unlink()
        return book

    def save(self, content: bytes) -> None:
        """Store a book that `encoded` has made. Raises OSError."""
        make_private(self._folder)
        write_whole(self._folder / _BOOK, content)

    def hashes_of(self, content: bytes) -> Path:
        """Return where the hashes of the chunks of a file with this content are (`content_id`)."""
        return self._folder / f"{content.hex()}.hashes"

    def save_hashes(self, content: bytes, hashes: bytes) -> None:
        """Store them. Raises OSError."""
        make_private(self._folder)
        write_whole(self.hashes_of(content), hashes)

    @property
    def _folder(self) -> Path:
        return self._home() / FILES


def encoded(book: FileBook) -> bytes:
    """Return the book as it is stored."""
    return encode(book.stored())
