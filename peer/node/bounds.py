"""What a node may use of its machine, where that is not its user's: one folder, up to a size."""

import contextlib
import os
from pathlib import Path

import msgspec

from chatapp.peer.api.errors import FileRefusal, FileRefused


class FolderBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The one folder that a node reads and writes, whatever its user types."""

    folder: Path
    most: int
    """Bytes in it, half of them for what was said."""

    @property
    def history(self) -> int:
        """Bytes of what was said beyond which the oldest lines go."""
        return self.most // 2

    def check(self, path: Path, *, grows_by: int = 0) -> None:
        """Look at the path of a file that is offered, or fetched (`grows_by`: its size). May take
        some milliseconds. Raises FileRefused."""
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise FileRefused(FileRefusal.NOT_YOURS, str(path))
        if grows_by and self._size() + grows_by > self.most:
            raise FileRefused(FileRefusal.NO_ROOM, path.name)

    def _size(self) -> int:
        total = 0
        for root, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += Path(root, name).stat().st_size
        return total
