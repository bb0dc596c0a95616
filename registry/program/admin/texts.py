"""The lines that an administrator reads: answers to requests, and why one was not done."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    BackupMade,
    BanShown,
    BansListed,
    Done,
    FilesVerified,
    ListsReloaded,
    LogShown,
    MailFound,
    NamesListed,
    PeopleListed,
    PersonErased,
    PersonFound,
    PersonShown,
    QueueFigures,
    QueuesFound,
    RoomsFound,
    StatsShown,
)
from chatapp.wire.errors import quoted
from chatapp.wire.limits import BANS_MAX, INVITES_MAX
from chatapp.wire.text import sanitize

_TEXT_MAX = 1_000


def lines_of(answer: AdminAnswer) -> list[str]:
    """Return the lines of an answer; none for one that only says that the request was done."""
    match answer:
        case Done():
            return []
        case AdminRefused():
            return [refusal_text(answer)]
        case NamesListed(names=names):
            return [
                f"{name.name:<32}  {name.key}  {name.state}{_since(name.since)}" for name in names
            ]
        case BansListed(bans=bans):
            return _table(
                ("banned", "since", "until", "by", "reason"),
                [
                    (
                        _shown(ban.what),
                        _time(ban.since),
                        _until(ban),
                        _shown(ban.author),
                        _shown(ban.reason),
                    )
                    for ban in bans
                ],
                "no bans but those of the configuration",
            )
        case PeopleListed(people=people):
            return _people(people)
        case PersonFound():
            return _person(answer)
        case PersonErased():
            return _erased(answer)
        case LogShown(deeds=deeds):
            return [
                f"{deed.at}  {deed.uid}  {_shown(deed.verb)} {_shown(deed.target)}".rstrip()
                + f": {_shown(deed.result)}"
                for deed in deeds
            ] or ["nothing was asked yet"]
        case RoomsFound(rooms=rooms):
            return _table(
                ("room", "here", "members", "lines", "topic"),
                [
                    (room.name, room.here, room.members, room.lines, _shown(room.topic))
                    for room in rooms
                ],
                "no rooms",
            )
        case MailFound(boxes=boxes, letters=letters):
            rows = [
                (box.name or box.key, box.letters, box.size, _time(box.oldest)) for box in boxes
            ]
            return [
                *_table(("mailbox", "letters", "bytes", "oldest"), rows),
                f"{letters:,} letters wait",
            ]
        case QueuesFound(queues=queues):
            return [line for queue in queues for line in _queue(queue)]
        case StatsShown():
            return _stats(answer)
        case ListsReloaded():
            return _reloaded(answer)
        case BackupMade(folder=folder, files=files, size=size):
            return [f"{_shown(folder)}: {files:,} files, {size:,} bytes"]
        case FilesVerified(files=files, records=records, size=size, damage=damage):
            summary = f"{files:,} files, {records:,} records, {size:,} bytes read"
            return [
                *map(_shown, damage),
                f"{summary}: {f'{len(damage):,} damaged' if damage else 'all sound'}",
            ]
    assert_never(answer)


def _people(people: Sequence[PersonShown]) -> list[str]:
    rows = [
        (
            person.name,
            person.host,
            person.port,
            f"{person.state}{_since(person.since)}",
            ", ".join(person.rooms),
            person.key,
        )
        for person in people
    ]
    return _table(("name", "address", "port", "presence", "rooms", "key"), rows, "nobody")


def _person(found: PersonFound) -> list[str]:
    one = found.person
    facts = [
        ("name", one.name),
        ("key", one.key),
        ("presence", f"{one.state}{_since(one.since)}"),
        ("address", f"{one.host}:{one.port}" if one.host else ""),
        ("network", found.network),
        ("rooms", ", ".join(one.rooms)),
        ("former names", ", ".join(found.reserved)),
        (
            "mail",
            f"{counted(found.letters, 'letter')}, {found.size:,} bytes" if found.letters else "",
        ),
        ("help desk", "an operator" if found.is_operator else ""),
        ("kept out", f"for {found.kicked_for:,} s" if found.kicked_for else ""),
        ("banned", "by the configuration" if found.is_listed else ""),
        *(
            ("banned", f"{_until(ban)}, by {_shown(ban.author)}: {_shown(ban.reason)}")
            for ban in found.bans
        ),
    ]
    return [f"{what:<12}  {fact}" for what, fact in facts if fact]


def _erased(erased: PersonErased) -> list[str]:
    counts = f"{counted(erased.letters, 'letter')}, {counted(erased.lines, 'line')}"
    lines = [f"erased, with {counts}; gone from the registry's files within a minute"]
    lines += [f'still named by a ban: ChatApp admin unban "{_shown(ban)}"' for ban in erased.bans]
    return lines


def _queue(queue: QueueFigures) -> list[str]:
    waits = f"waits: median {queue.median_wait} s, 90 % within {queue.ninetieth_wait} s"
    lines = [
        f"{queue.queue}: {queue.operators} on duty, {queue.served_today} served today, {waits}"
    ]
    for visitor in queue.visitors:
        place = f"with {visitor.operator}" if not visitor.position else f"{visitor.position}."
        reach = "" if visitor.is_here else ", out of reach"
        lines.append(
            f"  {place} {_shown(visitor.name)}: {_shown(visitor.issue)}, since {_time(visitor.since)}{reach}"
        )
    return lines


def _stats(stats: StatsShown) -> list[str]:
    lines = [
        f"{name.replace('_', ' '):<32}  {value:,.10g}" for name, value in stats.figures.items()
    ]
    lines += [
        f"{'dropped: ' + name.replace('_', ' '):<32}  {count:,}"
        for name, count in stats.dropped.items()
    ]
    for queue in stats.queues:
        waiting = sum(visitor.position > 0 for visitor in queue.visitors)
        lines.append(f"{_queue(queue)[0]}, {waiting} waiting")
    return lines


def _reloaded(answer: ListsReloaded) -> list[str]:
    gone = f"; {answer.evicted:,} disconnected" if answer.evicted else ""
    gateways = f", gateways: {answer.gateways:,}" if answer.gateways else ""
    lines = [
        f"lists reloaded: {answer.allowed:,} allowed, {answer.banned:,} banned{gateways}{gone}"
    ]
    if answer.later:
        lines.append(
            f"changed, but applied at the next start only: {quoted(', '.join(answer.later))}"
        )
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "") -> list[str]:
    """Return rows in columns under their heads; `empty` if there are none."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return [empty] if empty else []
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *cells)
    ]


def _shown(text: str) -> str:
    return sanitize(text, _TEXT_MAX)


def _until(ban: BanShown) -> str:
    return _time(ban.until) if ban.until else "for good"


def counted(count: int, thing: str) -> str:
    """Return a number with the thing that it counts."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _since(seconds: int) -> str:
    return f" since {_time(seconds)}" if seconds else ""


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


_REFUSALS: Final = {
    AdminRefusal.TOO_MANY_CODES: f"at most {INVITES_MAX:,} join codes may be unused; there is room for {{room:,}} more",
    AdminRefusal.BAD_NAME: "{detail}",
    AdminRefusal.NAME_UNKNOWN: 'nobody has the name "{subject}"',
    AdminRefusal.OPERATOR_NAME: '"{subject}" is a help-desk operator: take the name off that list first',
    AdminRefusal.NAME_PENDING: '"{subject}" is just being taken; try again',
    AdminRefusal.NAME_ONLINE: '"{subject}" is online: this works only while they are away (ChatApp admin kick {subject})',
    AdminRefusal.NAME_AWAY: '"{subject}" is not online; to keep somebody out, ban the name or the key',
    AdminRefusal.ROOM_UNKNOWN: 'there is no room "{subject}"',
    AdminRefusal.ROOM_ENTERED: 'somebody is just entering "{subject}"; try again',
    AdminRefusal.NOT_IN_ROOM: '"{subject}" is not in that room',
    AdminRefusal.BAD_BAN: '"{subject}" is not a key, a name, an address or a network: {detail}',
    AdminRefusal.BANNED_ALREADY: '"{subject}" is banned already',
    AdminRefusal.NOT_BANNED: '"{subject}" is not among the bans made by ChatApp admin ban',
    AdminRefusal.TOO_MANY_BANS: f"there are {BANS_MAX:,} bans already; put more into a file (--ban)",
    AdminRefusal.NOT_STORED: "the registry's disk is full or read-only",
    AdminRefusal.NO_LISTS: "the registry was started without a configuration file or lists: there is nothing to reload",
    AdminRefusal.LISTS_WRONG: "{detail}; the lists stay as they were",
    AdminRefusal.NO_STOP_PLANNED: "no stop is planned",
    AdminRefusal.NO_LOG: "{detail}",
    AdminRefusal.NO_BACKUP: "{detail}",
    AdminRefusal.NOT_A_REQUEST: "the registry does not know this request: {detail}",
    AdminRefusal.TOO_MANY_CLIENTS: "too many programs ask the registry at once; try again",
    AdminRefusal.OTHER_NODE: "only the node that keeps the state can do that: {subject}",
    AdminRefusal.NO_ENGINE: "no answer from the node that keeps the state: look whether it was done, and try again",
}


def refusal_text(answer: AdminRefused) -> str:
    """Return why a request was not done."""
    shown = _REFUSALS[answer.refusal]
    return shown.format(
        subject=quoted(answer.subject), room=answer.room, detail=sanitize(answer.detail)
    )
