"""This file is about messages longer than a datagram: how they are cut, and put together again.

It knows bytes, indexes and sizes; it must not know acknowledgements or times. A number is always cut the same way
(the size is the protocol's, not the path's), so parts of two tries of one message fit together.
"""

from typing import Final

import msgspec

from wire.delivery.policy import Policy
from wire.messages.delivery import PARTS_LIMIT, Part

PART_COST: Final = 64
"""Bytes charged for keeping a part besides its body, so that a swarm of tiny parts is bounded as well."""


def cut(body: bytes, size: int) -> list[bytes]:
    """Pieces of `size` bytes, the last one shorter; an empty body is one empty piece. ValueError: too many."""
    if len(body) <= size:
        return [body]
    if len(body) > size * PARTS_LIMIT:
        raise ValueError(f"{len(body)} bytes do not fit {PARTS_LIMIT} parts of {size}")
    return [body[at : at + size] for at in range(0, len(body), size)]


class _Assembly(msgspec.Struct, eq=False):
    count: int
    pieces: dict[int, bytes]
    size: int = 0


class Assemblies:
    """The incomplete messages of one sender: any order, any repeats, bounded in number and bytes.

    The bound in number is the widest window (each message on the way may lack a part); past a bound the oldest
    other message is dropped, and its sender learns so from the next PartAck.
    """

    __slots__ = ("_by_number", "_bytes", "_bytes_limit", "_count_limit", "_message_limit")

    def __init__(self, policy: Policy) -> None:
        self._message_limit = policy.message_limit
        self._bytes_limit = policy.assembly_bytes
        self._count_limit = policy.window_limit
        self._by_number: dict[int, _Assembly] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._by_number)

    @property
    def bytes_held(self) -> int:
        """What all parts are charged."""
        return self._bytes

    def fits(self, part: Part) -> bool:
        """Whether this part can belong to a message: False for nonsense, which `add` must not see."""
        if not (0 <= part.index < part.count <= PARTS_LIMIT and part.body):
            return False
        assembly = self._by_number.get(part.number)
        if assembly is None:
            return len(part.body) <= self._message_limit
        if part.index in assembly.pieces:
            return part.count == assembly.count
        return part.count == assembly.count and assembly.size + len(part.body) <= self._message_limit

    def add(self, part: Part) -> bytes | None:
        """The whole body with its last missing part, else None."""
        assembly = self._by_number.get(part.number)
        if assembly is None:
            assembly = self._by_number[part.number] = _Assembly(count=part.count, pieces={})
        if part.index in assembly.pieces:
            return None
        assembly.pieces[part.index] = part.body
        assembly.size += len(part.body)
        self._bytes += len(part.body) + PART_COST
        if len(assembly.pieces) == assembly.count:
            self.drop(part.number)
            return b"".join(assembly.pieces[index] for index in range(assembly.count))
        self._make_room(keep=part.number)
        return None

    def indexes(self, number: int) -> list[int]:
        """The parts held of a message, in order; none when it is unknown."""
        assembly = self._by_number.get(number)
        return sorted(assembly.pieces) if assembly else []

    def drop(self, number: int) -> None:
        """Forgets a message, if it is here."""
        assembly = self._by_number.pop(number, None)
        if assembly is not None:
            self._bytes -= assembly.size + PART_COST * len(assembly.pieces)

    def drop_below(self, floor: int) -> None:
        """Forgets the messages that the sender has settled."""
        for number in [number for number in self._by_number if number < floor]:
            self.drop(number)

    def _make_room(self, keep: int) -> None:
        by_number = self._by_number
        while len(by_number) > 1 and (self._bytes > self._bytes_limit or len(by_number) > self._count_limit):
            self.drop(next(number for number in by_number if number != keep))
