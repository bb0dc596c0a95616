"""What is said on a link between two peers about one file (clause 6.18): requests of the one who fetches,
answers of the one who has it. Chunks themselves travel in frames of their own."""

import enum
from typing import Annotated, TypeAlias

import msgspec

from chatapp.wire.limits import CHUNK_SIZE, FILE_OTHERS_MAX, FILE_PAGES_MAX, PAGE_CHUNKS, Key

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


FileNotice: TypeAlias = PageGiven | NotServed | Have
