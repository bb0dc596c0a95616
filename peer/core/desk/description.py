"""What a visitor who waits writes about the issue: the registry keeps the whole text with the
form."""

from collections.abc import Callable
from typing import NamedTuple

from chatapp.peer.api import visit_events
from chatapp.wire.limits import DESK_DESCRIPTION_MAX
from chatapp.wire.messages.desk import DescribeVisit, DescriptionAnswered, DescriptionResult


class _Written(NamedTuple):
    reference: int
    """Of the request that carried it last."""
    text: str
    wall: float
    """When it was typed, in Unix seconds."""
    is_line: bool
    """Whether it was typed as a line for the operator, and added; otherwise it replaced the
    description."""


class Description:
    """The description of one visit, and what was written and not answered yet."""

    def __init__(
        self,
        *,
        send: Callable[[DescribeVisit], None],
        tell: Callable[[visit_events.VisitEvent], None],
        say: Callable[[str, float], object],
        next_reference: Callable[[], int],
    ) -> None:
        """`say` takes a text that comes too late, as we are being served already, and the time at
        which it was typed."""
        self._send = send
        self._tell = tell
        self._say = say
        self._next_reference = next_reference
        self._visit = 0
        self._written: list[_Written] = []
        self._is_new_link = False
        self.text = ""
        """The whole description, with what is not answered yet."""

    @property
    def is_settled(self) -> bool:
        """Whether all that was written was answered."""
        return not self._written

    def begin(self, visit: int) -> None:
        """Begin with this visit; continue if it has begun."""
        if self._visit != visit:
            self.forget()
            self._visit = visit

    def forget(self) -> None:
        """Forget the description: the visit is over, or another one begins."""
        self._visit, self.text = 0, ""
        self._written.clear()

    # --- what is written

    def add(self, line: str, *, wall: float) -> None:
        """Add a line; `NotYourTurn` and `Described` follow, or `DescriptionRefused`."""
        self._write(f"{self.text}\n{line}" if self.text else line, line, wall=wall, is_line=True)

    def replace(self, text: str, *, wall: float) -> None:
        """Replace the whole text; `Described` or `DescriptionRefused` follows."""
        self._write(text, text, wall=wall, is_line=False)

    def _write(self, whole: str, typed: str, *, wall: float, is_line: bool) -> None:
        size = len(whole.encode())
        if size > DESK_DESCRIPTION_MAX:
            self._tell(
                visit_events.DescriptionRefused(
                    size=size, limit=DESK_DESCRIPTION_MAX, is_line=is_line
                )
            )
            return
        self.text = whole
        self._written.append(_Written(self._next_reference(), typed, wall, is_line))
        if not self._is_new_link:
            self._send(DescribeVisit(self._written[-1].reference, self._visit, whole))

    # --- the link and the registry

    def link_up(self) -> None:
        """Note that the link is new: what was not answered has to be written again on it."""
        self._is_new_link = True

    def write_again(self) -> None:
        """On a new link, send what was not answered on the last one. Called when the registry has
        told us where we are."""
        is_new_link, self._is_new_link = self._is_new_link, False
        if is_new_link and self._written:
            reference = self._next_reference()
            self._written = [one._replace(reference=reference) for one in self._written]
            self._send(DescribeVisit(reference, self._visit, self.text))

    def answered(self, notice: DescriptionAnswered) -> None:
        """Take the registry's answer, or the description that it has kept since an earlier link."""
        if notice.visit != self._visit:
            return
        done = [one for one in self._written if one.reference <= notice.reference]
        self._written = self._written[len(done) :]
        if not self._written:
            self.text = notice.text
        for one in done:
            self._settle(one, notice.result)

    def _settle(self, one: _Written, result: DescriptionResult) -> None:
        match result:
            case DescriptionResult.KEPT:
                if one.is_line:
                    self._tell(visit_events.NotYourTurn())
                self._tell(visit_events.Described())
            case DescriptionResult.SERVED:
                self._say(one.text, one.wall)
            case DescriptionResult.TOO_LONG:
                size = len(one.text.encode())
                self._tell(
                    visit_events.DescriptionRefused(
                        size=size, limit=DESK_DESCRIPTION_MAX, is_line=one.is_line
                    )
                )
            case DescriptionResult.TOO_FAST:
                self._tell(
                    visit_events.VisitorLineRefused(reason=visit_events.LineRefusal.TOO_FAST)
                )
