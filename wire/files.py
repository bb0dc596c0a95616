"""A file on its way: how it is cut, sealed and hashed (clauses 6.16 to 6.18), and which name it may have on a disk
of ours."""

import hashlib
import random
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatapp.wire.limits import CHUNK_SIZE, PAGE_CHUNKS
from chatapp.wire.messages.direct import FileOffer

HASH_SIZE: Final = 32
PAGE_SIZE: Final = PAGE_CHUNKS * HASH_SIZE
_FILE_ID: Final = b"chatapp file 1\0"
_KEPT_ID: Final = b"chatapp kept file 1\0"


def chunk_count(size: int) -> int:
    """Return into how many chunks a file of this size is cut."""
    return -(-size // CHUNK_SIZE)


def page_count(size: int) -> int:
    """Return how many pages of hashes it has."""
    return -(-chunk_count(size) // PAGE_CHUNKS)


def page_span(size: int, page: int) -> range:
    """Return the chunks whose hashes a page has."""
    first = page * PAGE_CHUNKS
    return range(first, min(first + PAGE_CHUNKS, chunk_count(size)))


def page_bits(size: int, page: int) -> int:
    """Return all chunks of a page as the bits of an integer, the first one the lowest."""
    return (1 << len(page_span(size, page))) - 1


def packed(chunks: int) -> bytes:
    """Return such bits as they are sent: those that are missing are 0."""
    return chunks.to_bytes(-(-chunks.bit_length() // 8), "little")


def unpacked(bits: bytes, size: int, page: int) -> int:
    """Return such bits as they came, without any behind the last chunk."""
    return int.from_bytes(bits, "little") & page_bits(size, page)


def bits_of(chunks: Iterable[int], page: int) -> int:
    """Return those of these chunks that are of a page, as bits."""
    bits = 0
    for chunk in chunks:
        if chunk // PAGE_CHUNKS == page:
            bits |= 1 << chunk % PAGE_CHUNKS
    return bits


def lowest_bit(bits: int) -> int:
    """Return the place of the lowest bit; there must be one."""
    return (bits & -bits).bit_length() - 1


def any_bit(bits: int, rng: random.Random) -> int:
    """Return the place of any bit; there must be one."""
    start = rng.randrange(bits.bit_length())
    return start + lowest_bit(bits >> start)


def is_offer_sound(offer: FileOffer) -> bool:
    """Whether the offer has the pages that a file of its size has."""
    return len(offer.pages) == page_count(offer.size)


def file_id(key: bytes) -> bytes:
    """Return what names the file with this key to those who know it."""
    return hashlib.sha256(_FILE_ID + key).digest()[:16]


def content_id(key: bytes, pages: Iterable[bytes]) -> bytes:
    """Return what tells the content of an offer from all others: somebody may offer another content
    under a key that they have read in an offer."""
    return hashlib.sha256(b"".join((key, *pages))).digest()[:16]


def kept_id(size: int, pages: Iterable[bytes]) -> bytes:
    """Return what names a file at the registry: it follows from what is in it, sealed, so nobody can
    put another content under the name, and only those who have the offer know it."""
    return hashlib.sha256(_KEPT_ID + size.to_bytes(8, "big") + b"".join(pages)).digest()[:16]


class ChunkSeal:
    """Seals the chunks of one file, and opens them. Any thread may use it."""

    def __init__(self, key: bytes) -> None:
        self._cipher: Final = AESGCM(key)

    def seal(self, index: int, chunk: bytes) -> bytes:
        """Return the sealed chunk. The same key never seals another file, so the place is the
        nonce."""
        return self._cipher.encrypt(index.to_bytes(12, "big"), chunk, None)

    def open(self, index: int, sealed: bytes | memoryview, digest: bytes) -> bytes | None:
        """Return the chunk; None if it is not the one with this hash."""
        if hashlib.sha256(sealed).digest() != digest:
            return None
        try:
            return self._cipher.decrypt(index.to_bytes(12, "big"), sealed, None)
        except InvalidTag:
            return None


# --- names

NAME_MAX: Final = 200
"""Bytes of a name. File systems take 255: the rest is for what we append to it."""

_SUFFIX_MAX: Final = 20
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
NAMELESS: Final = "file"


def clean_name(name: str) -> str:
    """Return the name under which a file that somebody calls `name` may be stored: without folders,
    without characters that no name should have or that hide what it is, no device of any system, not
    hidden, and short enough."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    visible = "".join(map(_visible, last))
    bare = _FORBIDDEN.sub("_", visible).lstrip(". ").rstrip(". ")
    if _DEVICE.match(bare):
        bare = f"_{bare}"
    return _cut(bare) or NAMELESS


def _visible(character: str) -> str:
    """Return the character, or what stands for it: nothing for controls, marks of direction and
    what has no shape; a blank for any kind of blank."""
    category = unicodedata.category(character)
    if category[0] == "C" or category in ("Zl", "Zp"):
        return ""
    return " " if category == "Zs" else character


def _cut(name: str) -> str:
    """Return the name in NAME_MAX bytes; its suffix stays."""
    if len(name.encode()) <= NAME_MAX:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > _SUFFIX_MAX:
        stem, suffix = name, ""
    whole = f"{dot}{suffix}" if suffix else ""
    kept = stem.encode()[: NAME_MAX - len(whole.encode())].decode(errors="ignore")
    return f"{kept.rstrip('. ')}{whole}"
