"""Every limit on what a browser can make the web desk store or do: the number, the threat and the
reason."""

from typing import Final

from chatapp.wire.limits import DESK_VISITS_PER_GATEWAY, TEXT_MAX

HEAD_WITHIN: Final = 10.0
"""Seconds within which the head of a request must have arrived: a client that sends one byte at a
time holds a connection no longer than this."""

HEAD_MAX: Final = 16 * 1024
"""Bytes of the head of a request: browsers send less than 4 KiB."""

BODY_MAX: Final = 3 * TEXT_MAX + 4_096
"""Bytes of the body of a request: the longest text whose every byte is written as `%xx`, and the
other fields."""

BODY_WITHIN: Final = 15.0
"""Seconds within which a body must have arrived."""

FIELDS_MAX: Final = 16
"""Fields of one form."""

KEY_MAX: Final = 64
"""Characters of the field `key`, which names a line that may come twice: the page sends fewer than
40."""

KEYS_PER_SESSION: Final = 64
"""Keys that are remembered of one visit: a page sends a line again until it is answered, before it
sends another one."""

FORM_FIELD_MAX: Final = 512
"""Characters of every field of a form that is no text and no key: the longest that the page lets
one type has 256."""

FLIGHT_PER_NETWORK: Final = 2 * 1024 * 1024
"""Bytes of requests that arrive from one network, heads that are not whole among them, and of
answers that it has not taken: ten of the longest lines, or eight of the largest pages. A client
that sends much, or takes nothing of what it asks for, fills no more of our memory."""

FLIGHT_MAX: Final = 64 * 1024 * 1024
"""The same of all networks: thirty that attack together leave nothing, but the program lives."""

HEADS_PER_NETWORK: Final = 512 * 1024
"""Bytes of heads of one network that are not whole: 128 of the longest that browsers send. A head is
on its way for a moment, so nobody else needs more."""

HEADS_MAX: Final = FLIGHT_MAX // 8
"""The same of all networks."""


UNSENT_PER_SESSION: Final = 4 * TEXT_MAX
"""Bytes of lines of one visit that the registry has not stored: a visitor who writes while it is
away fills no more."""

TEXT_PER_NETWORK: Final = 16 * 1024 * 1024
"""Bytes that are kept of all visits of one network: 40 KiB for each of a school's 400. Beyond it no
more lines are taken."""

TEXT_IN_ALL: Final = 64 * 1024 * 1024
"""Bytes that are kept of all visits: as much as the rest of the program needs with 1,000 of
them."""


PAGE_MAX: Final = 256 * 1024
"""Bytes of a page, or of a piece of news: it is made in 50 ms, for which everybody waits."""

LINES_PER_PAGE: Final = PAGE_MAX - 64 * 1024
"""Bytes of the lines in a page, as HTML. The rest of a page is smaller than the difference."""


LOOKS_PER_SECOND: Final = 4.0
"""Pages a second that one visit may ask for, averaged: without JavaScript it asks for one each five
seconds."""

LOOKS_BURST: Final = 60.0
"""The same at once: a browser that is opened again with all its windows."""

LOG_LINE_EVERY: Final = 1.0
"""Seconds between two lines of the log about what clients do: no client fills the disk that way."""

ACCEPTED_AT_ONCE: Final = 128
"""Connections that are taken in one turn of the event loop at most: a crowd that connects together
stops nobody else."""

CONNECTIONS_MAX: Final = 4_096
"""Connections in all. For a further one the connection is cut that has been silent longest in the
network that has most."""

CONNECTIONS_PER_NETWORK: Final = CONNECTIONS_MAX // 4
"""Connections of one address (of IPv6: of one /64). A school behind one address with
SESSIONS_PER_ADDRESS visits has two for each: the stream, and one for what is asked meanwhile. For a
further one that network's connection is cut that has been silent longest; a browser opens it again.
Those that come by a named proxy are counted together only."""

WINDOWS_MAX: Final = 8
"""Windows of a person's page. Each is attached to the node; for a further one, that which has been
silent longest goes."""

WINDOW_STAYS: Final = 60.0
"""Seconds for which a window without a browser stays: one that reloads, or that was cut off."""

OPENINGS_AT_ONCE: Final = 4
"""Windows of members that are opened at a time: whoever comes later waits, and those who are in go on
reading."""

OPENINGS_WAITING_MAX: Final = 1_000
"""Windows that wait for that: as many as there may be accounts. Their browsers came together, after a
restart."""

OPENINGS_WAITING_PER_NETWORK: Final = 400
"""The same of one network: a school behind one address. Networks take turns."""

LINES_SHOWN: Final = 150
"""Lines of a conversation on a page of a person, and by how many more it grows at a time."""

LINES_SHOWN_MAX: Final = 450
"""The same at most: 150 KiB and 50 ms. Of more, the newest or the oldest are left out."""

ROWS_SHOWN: Final = 300
"""Conversations in the list of such a page."""

ROWS_KEPT: Final = 4_096
"""Rows as HTML that are kept for the windows of all members: 2 MiB."""

PLACES_SHOWN: Final = 300
"""People and rooms that it lists beside the conversation."""

OFFERS_SHOWN: Final = 6
"""Ways to complete what is typed that it offers."""

CALLS_KEPT: Final = 20
"""Calls of the user that are kept for a window whose stream is interrupted."""

UPLOAD_MAX: Final = 4 * 1024**3
"""Bytes of a file that a browser gives to the program: it is copied, so a larger one is better offered
by its path."""

UPLOADS_KEPT_MAX: Final = 16 * 1024**3
"""Bytes of all such copies: a page that sends file after file does not fill a disk."""

UPLOADS_SPARED: Final = 64 * 1024**2
"""Bytes that such a copy leaves free on a disk: a full one stops more than a file."""

UPLOADS_AT_ONCE: Final = 4
"""Files that browsers give to the program at a time: a page sends one after the other."""

UPLOAD_RATE_LEAST: Final = 16 * 1024
"""Bytes a second, from the beginning on, that a file must come with: who sends less holds a place that
others want."""

UPLOAD_STAYS: Final = 600.0
"""Seconds for which a copy stays that the program does not know: another program of the same person
may be about to offer it."""

PICTURE_MAX: Final = 16 * 1024**2
"""Bytes of a picture that is shown, not only offered for download."""

PICTURE_PIXELS: Final = 40_000_000
"""Pixels of a picture that is shown: cameras make fewer, and a browser needs 160 MB for them. A small
file may say that it has a thousand times as many."""

IDLE_CONNECTION: Final = 30
"""Seconds for which a connection stays open without a request."""

IDLE_PER_NETWORK: Final = 256
"""Connections of one network on which no request is under way: none has come whole yet, or all are
answered. For a further one that is cut which has been so longest: a browser opens it again when it
needs it."""

IDLE_MAX: Final = 512
"""The same of all networks; the one goes that has been so longest in the network that has most. Each
takes 4 KiB, so nobody makes us hold more than 2 MiB by saying nothing."""

SEND_WITHIN: Final = 20.0
"""Seconds within which a browser must take what is sent on a stream of events. A reader that does
not is cut; the browser opens the stream again if somebody is still there."""

STREAM_SIGN_OF_LIFE: Final = 15.0
"""Seconds between two pieces of a stream: proxies close a connection on which nothing comes for a
minute."""

STREAMS_PER_SESSION: Final = 4
"""Streams of one browser session: its windows. Browsers open at most six connections to one
host."""

REQUESTS_PER_SECOND: Final = 100.0
"""Requests a second of one address, averaged: a tenth of what one core answers. Streams carry the
news, so a school behind one address sends fewer; without JavaScript it is a request each five
seconds."""

REQUESTS_BURST: Final = 4_000.0
"""Requests of one address at once: ten for each of the 400 who come when the doors open, with the
files of the page."""

RATES_MAX: Final = 10_000
"""Addresses whose rates are remembered; the one that was idle longest is forgotten first."""

JOINS_PER_SECOND: Final = 2.0
"""Visits a second that may begin from one address, averaged."""

JOINS_BURST: Final = 400.0
"""Visits at once from one address: a school behind one address."""

SESSIONS_PER_ADDRESS: Final = 400
"""Visits of one address at the same time."""

SESSIONS_MAX: Final = DESK_VISITS_PER_GATEWAY
"""Visits at the same time: a registry takes no more of one gateway. Each takes about 40 KiB and 4
descriptors."""

ACTIONS_PER_SECOND: Final = 4.0
"""Lines, descriptions and other requests a second of one visit, averaged."""

ACTIONS_BURST: Final = 40.0
"""The same at once."""

DESCRIPTORS_PER_SESSION: Final = 2
"""Descriptors that a visit takes beside the connections of its browser: a UDP port, and a link to
the registry."""

DESCRIPTORS_PER_MEMBER: Final = 20
"""The same of a member with a window or two: a node's files, sockets and its link, and both ends of each
window's connection to it."""

ACCOUNTS_MAX: Final = 1_000
"""Accounts that a web desk may be told to keep: each has 64 MiB of its disk at most."""

FOLDER_MAX: Final = 64 * 1024 * 1024
"""Bytes of an account: of what was said the oldest goes, and no file is taken, past it."""

FOLDER_OPENED_MAX: Final = 4 * FOLDER_MAX
"""Bytes that a sealed folder may have: more are damage, or a trap of somebody who can write to the
disk."""

FOLDER_FILES_MAX: Final = 10_000
"""Files in it."""

PASSPHRASE_MIN: Final = 8
"""Characters of a new passphrase (NIST SP 800-63B, 5.1.1.1)."""

PASSPHRASE_MAX: Final = 256
"""Characters of a passphrase: half of what a form may have in a field."""

TRIES_BURST: Final = 8.0
"""Wrong passphrases at once for one name from one network."""

TRIES_PER_SECOND: Final = 1 / 30
"""The same averaged: a million a year, where a passphrase of four words has 10**15."""

TRIES_OF_NAME_BURST: Final = 80.0
"""Wrong passphrases at once for one name from all networks. Whoever uses them up delays somebody who
signs in, and nobody who is signed in."""

TRIES_OF_NETWORK_BURST: Final = 80.0
"""Wrong passphrases at once from one network, for whatever names: a school behind one address in
the morning."""

TRIES_OF_NETWORK_PER_SECOND: Final = 0.5
"""The same averaged."""

TRIES_WAITING_MAX: Final = 400
"""Passphrases that are looked at one after the other: for 64 MiB and a tenth of a second each."""

TRIES_WAITING_PER_NETWORK: Final = 200
"""The same of one network, which takes turns with the others."""

MAKES_BURST: Final = 100.0
"""Accounts that may be made from one network at once: a school on its first day."""

MAKES_PER_SECOND: Final = 1 / 60
"""The same averaged."""

SESSIONS_PER_ACCOUNT: Final = 8
"""Browsers in which somebody is signed in; for a further one, the oldest is signed out."""

SESSION_LASTS_FOR: Final = 12 * 3_600
"""Seconds after which a browser must sign in again that is not to stay."""

STAYING_LASTS_FOR: Final = 30 * 86_400
"""Seconds for the others."""

DESK_FILES_GIVEN_BURST: Final = 30.0
"""Files of the desk that one visitor's browser is given at once: each comes from the registry
anew."""

DESK_FILES_GIVEN_PER_SECOND: Final = 0.5
"""The same averaged, after that."""

DESK_FILES_GIVEN_SHARES: Final = 4
"""How many times as many the visitors of one network are given together."""

NODE_STAYS: Final = 900.0
"""Seconds for which a node runs on when the last window has closed."""

MEMBER_REQUESTS_BURST: Final = 300.0
"""Requests of one account at once: eight windows that are opened again."""

MEMBER_REQUESTS_PER_SECOND: Final = 20.0
"""The same averaged: somebody who types sends three a second."""
