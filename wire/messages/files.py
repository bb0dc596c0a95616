"""What is said on a link between two peers about one file (clause 6.18): requests of the one who fetches,
answers of the one who has it; and on a link to a registry that keeps files (clause 6.23). Chunks themselves
travel in frames of their own."""

import enum
from typing import Annotated, TypeAlias

import msgspec

from chatapp.wire.limits import (
    CHUNK_SIZE,
    FILE_MAX,
    FILE_OTHERS_MAX,
    FILE_PAGES_MAX,
    PAGE_CHUNKS,
    Count,
    Digest,
    Key,
)

FileId: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""Names a file to those who know its key."""

PageIndex: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=FILE_PAGES_MAX - 1)]
ChunkIndex: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=FILE_PAGES_MAX * PAGE_CHUNKS - 1)]


class AskPage(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Give me this page of the hashes of the file's sealed chunks."""

    file: FileId
    page: PageIndex


class AskChunk(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Give me this chunk."""

    file: FileId
    chunk: ChunkIndex


class AskHave(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Which chunks of this page do you have, and who else may have some?"""

    file: FileId
    page: PageIndex


FileRequest: TypeAlias = AskPage | AskChunk | AskHave


class Unserved(enum.IntEnum):
    """Why nothing of a file is given."""

    UNKNOWN = 1
    """It is not offered, or not any more."""
    CHANGED = 2
    """It is another file now than the one that was offered."""
    UNREADABLE = 3
    """It cannot be read."""


class PageGiven(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A page: 32 bytes for each of its chunks."""

    page: PageIndex
    hashes: Annotated[bytes, msgspec.Meta(max_length=CHUNK_SIZE)]


class NotServed(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Nothing of this file comes."""

    file: FileId
    reason: Unserved


class Have(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """What the answerer has of a page."""

    page: PageIndex
    chunks: Annotated[bytes, msgspec.Meta(max_length=PAGE_CHUNKS // 8)]
    """A bit for each chunk, the first one the lowest of the first byte."""
    others: Annotated[tuple[Key, ...], msgspec.Meta(max_length=FILE_OTHERS_MAX)]
    """The identity keys of others who have asked for the file."""
    is_wireless: bool = False
    """Whether the answerer reaches others by Wi-Fi alone."""
    suggested: Annotated[bytes, msgspec.Meta(max_length=PAGE_CHUNKS // 8)] = b""
    """Bits like `chunks`: those which the answerer would like to be asked for first."""


FileNotice: TypeAlias = PageGiven | NotServed | Have


# --- at the registry


class KeepFile(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Keep the file with these pages for those who have its offer."""

    size: Annotated[int, msgspec.Meta(ge=1, le=FILE_MAX)]
    pages: Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=FILE_PAGES_MAX)]


class DropKept(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Keep this file no longer, which I have given."""

    file: FileId


class GivePage(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The page that was asked for."""

    page: PageIndex
    hashes: Annotated[bytes, msgspec.Meta(max_length=CHUNK_SIZE)]


KeeperRequest: TypeAlias = FileRequest | KeepFile | DropKept | GivePage
"""What a peer says on such a link."""


class KeptResult(enum.IntEnum):
    """What has become of a file that was given."""

    KEPT = 1
    """It is on the disk, whole."""
    DROPPED = 2
    """It is not kept, or not any more."""
    TOO_LARGE = 3
    """It is larger than what one person may have kept: `limit` bytes."""
    TOO_FAST = 4
    """This person or their network has given so much lately: again in `limit` seconds."""
    DISK_FULL = 5
    DISK_FAILED = 6
    WRONG = 7
    """A page or chunk was not the one with that hash."""


class FileKept(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """The answer to a KeepFile, when all is over, and to a DropKept."""

    file: FileId
    result: KeptResult
    limit: Count = 0


class WantPage(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Give me this page of the file."""

    page: PageIndex


class WantChunk(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Give me this chunk of the file."""

    chunk: ChunkIndex


KeeperNotice: TypeAlias = FileNotice | FileKept | WantPage | WantChunk
"""What the registry says on such a link."""
