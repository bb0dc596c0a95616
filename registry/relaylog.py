"""This file is about what is relayed in one turn: each frame is noted once, however many are to have it.

Theory: places in the log rise for ever, so that whoever reads keeps one number, its place, and nothing is to be set back
at the end of a turn. All who read from the same place get the same bytes object, but for those who spoke themselves:
they get none of their own frames. It knows bytes and numbers of links; it must not know who is a member.
"""


class RelayLog:
    """The frames of this turn, and who said each."""

    __slots__ = ("_frames", "_joined", "_senders", "begin", "end")

    def __init__(self) -> None:
        self.begin = 0
        """The place of the first frame of this turn."""
        self.end = 0
        """The place of the next frame."""
        self._frames: list[bytes] = []
        self._senders: list[int] = []
        self._joined: dict[int, bytes] = {}

    @property
    def senders(self) -> set[int]:
        """All who said something in this turn."""
        return set(self._senders)

    def append(self, frame: bytes, *, sender: int) -> None:
        """The newest frame."""
        self._frames.append(frame)
        self._senders.append(sender)
        self.end += 1
        self._joined.clear()

    def after(self, place: int) -> bytes:
        """All frames of this turn from a place on: one object for all who ask from there."""
        start = max(place - self.begin, 0)
        joined = self._joined.get(start)
        if joined is None:
            joined = self._joined[start] = b"".join(self._frames[start:])
        return joined

    def after_of_others(self, place: int, number: int) -> bytes:
        """The same without those that `number` said."""
        if number not in self._senders:
            return self.after(place)
        start = max(place - self.begin, 0)
        pairs = zip(self._frames[start:], self._senders[start:], strict=True)
        return b"".join([frame for frame, sender in pairs if sender != number])

    def clear(self) -> None:
        """The turn is over."""
        self.begin = self.end
        self._frames, self._senders = [], []
        self._joined.clear()
