"""Sender indices: the half of a group's nonces that the registry gives out (clause 8.2).

A nonce is a sender index and a counter, so under one key no two senders may have the same index: neither two members, nor
two nodes of a cluster that seal under it, nor two lives of one node. The store says how many indices were ever reserved.
A life takes them in blocks that follow those, and gives out none of a block before the store has it.

The first block of a life is different: its indices are given out at once, since the keys that this life begins with are
stored only behind the block. Until then nobody else can have these keys, and the life seals under no other ones.
"""

from typing import Final

from chatapp.registry.store.entries import SenderIndicesReserved

BLOCK: Final = 2**14
"""Indices in a block: more than the links that a full registry makes anew while its store is slow."""

_INDICES: Final = 2**32


class SenderIndices:
    """The sender indices of one life of one node."""

    def __init__(self, *, reserved: int, block: int = BLOCK) -> None:
        """`reserved`: how many indices were ever reserved, by any life of any node."""
        self._block: Final = block
        self._next = reserved + 1
        self._end = reserved + block
        self._is_first_stored = False
        self._is_reserving = False
        self.own: Final[int] = reserved % _INDICES
        """The index under which this life seals its table batches. It belongs to no link."""

    @property
    def first_reservation(self) -> tuple[SenderIndicesReserved, ...]:
        """What has to be stored with or before each first key of this life; empty once it is stored."""
        return () if self._is_first_stored else (SenderIndicesReserved(self._end),)

    def first_stored(self) -> None:
        """Note that the first reservation is stored."""
        self._is_first_stored = True

    def take(self) -> int | None:
        """Return an index that no sender has had; None while there is none left."""
        while self._next < self._end:
            index, self._next = self._next % _INDICES, self._next + 1
            if index:  # 0 stands for none
                return index
        return None

    def reservation(self) -> SenderIndicesReserved | None:
        """Return what has to be stored to have more indices; None while half a block is left, or if it is on its way."""
        if self._is_reserving or self._end - self._next > self._block // 2:
            return None
        self._is_reserving = True
        return SenderIndicesReserved(self._end + self._block if self._is_first_stored else self._end)

    def settled(self, upto: int, *, is_stored: bool) -> None:
        """Note what became of what `reservation` returned. One that failed is returned again."""
        self._is_reserving = False
        if is_stored:
            self._is_first_stored = True
            self._end = max(self._end, upto)
