"""This file is about the heads of letters and lines, gathered while entries are read. It knows no files.

The image knows what is still there; the catalogue knows what the entries said about it. Together they make `Loaded`. It
lives only as long as the loading.
"""

from collections.abc import Sequence
from typing import Any

from registry.store.desk import DeskImage, line_key
from registry.store.entries import (
    DeskLineKept,
    DeskVisitKept,
    DeskVisitOver,
    Entry,
    GroupKeyMade,
    GroupLine,
    MailStored,
)
from registry.store.image import Group, Image
from registry.store.protocol import LetterHead, LineHead, Loaded, LoadedDesk, LoadedGroup


class Catalogue:
    """Heads of all that was ever mentioned; `loaded` leaves out what is gone."""

    def __init__(self) -> None:
        self._letters: dict[int, LetterHead] = {}
        self._lines: dict[tuple[str, int], LineHead] = {}
        self._keys: dict[tuple[str, int], bytes] = {}
        self._visits: dict[int, DeskVisitKept] = {}
        self._said: dict[int, DeskLineKept] = {}
        self._over: dict[int, DeskVisitOver] = {}

    def note(self, entry: Entry) -> None:
        match entry:
            case MailStored():
                self._letters[entry.serial] = LetterHead(
                    serial=entry.serial,
                    sender=entry.sender,
                    sender_name=entry.sender_name,
                    number=entry.number,
                    at=entry.at,
                    size=len(entry.letter),
                )
            case GroupLine():
                self._lines[entry.group, entry.position] = LineHead(
                    position=entry.position,
                    sender=entry.sender,
                    epoch=entry.epoch,
                    at=entry.at,
                    size=len(entry.frame),
                )
            case GroupKeyMade():
                self._keys[entry.group, entry.epoch] = entry.key
            case DeskVisitKept():
                self._visits[entry.visit] = entry
            case DeskLineKept():
                self._said[line_key(entry.visit, entry.position)] = entry
            case DeskVisitOver():
                self._visits.pop(entry.visit, None)
                self._over[entry.visit] = entry
            case _:
                pass

    def loaded(self, image: Image[Any], *, skipped: int = 0, damage: Sequence[str] = ()) -> Loaded:
        """What of it is still in `image`."""
        return Loaded(
            names=list(image.names.values()),
            letters={
                owner: [self._letters[serial] for serial in sorted(box)] for owner, box in image.mail.items()
            },
            groups={name: self._group(name, group) for name, group in image.groups.items()},
            members=list(image.members.values()),
            invites=list(image.invites.values()),
            highest_serial=image.highest_serial,
            skipped=skipped,
            damage=list(damage),
            desk=self._desk(image.desk),
        )

    def _desk(self, image: DeskImage[Any]) -> LoadedDesk:
        lines: dict[int, list[DeskLineKept]] = {}
        for key in sorted(image.lines):
            said = self._said[key]
            lines.setdefault(said.visit, []).append(said)
        return LoadedDesk(
            visits=[self._visits[visit] for visit in sorted(image.visits)],
            lines=lines,
            served=[self._over[visit] for visit in image.served],
            untold=[self._over[visit] for visit in image.untold],
            highest_visit=image.highest_visit,
        )

    def _group(self, name: str, group: Group[Any]) -> LoadedGroup:
        return LoadedGroup(
            keys={epoch: self._keys[name, epoch] for epoch in group.keys},
            lines=[self._lines[name, position] for position in group.lines],
            cut=group.cut,
            highest=group.highest,
        )
