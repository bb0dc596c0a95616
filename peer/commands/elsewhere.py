"""Words of other chat programs."""

from collections.abc import Mapping
from typing import Final

_CALLED_HERE: Final = """
/leave: part close
/rooms: list channels ls
/names: members
/who: whois online people seen
dereg: away afk disconnect
reg: back connect
/ignore: block mute
/unignore: unblock unmute
/say: me
/query: open chat switch
/join: create enter channel group_chat join_room
/nick: rename name
/release: unregister
/verify: key fingerprint
/topic: retopic purpose
/all: group send_all broadcast shout wall
/dm: send private pm privmsg tell w whisper
/help: commands h ? man
/quit: q logout exit bye signoff
/search: find grep
/history: log
/doctor: ping
"""
_NOT_HERE: Final = """
audio ban call clear cls ctcp dcc del delete deop dnd drop edit emote erase export file forward
gif import invite kick knock mode motd notice op oper pin poll print quote react reaction remind
remove reply rm save screenshot sendfile set star status theme thread timer transfer unban undo
unpin unsend upload video voice
"""

ELSEWHERE: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(_NOT_HERE.split()),
    **{
        word: here
        for line in _CALLED_HERE.strip().splitlines()
        for here, _, words in [line.partition(": ")]
        for word in words.split()
    },
}
"""What commands of IRC, Slack and other chat programs are called here, without their signs; None
for what there is not in this version."""
