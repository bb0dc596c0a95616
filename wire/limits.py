"""Every limit on what a stranger can make us store or do: the number, the threat and the reason; and
what fields of several messages may be: keys, names, numbers (clause 3)."""

from typing import Annotated, Final

import msgspec

# --- sizes on the wire -------------------------------------------------------------------------------------

DATAGRAM_MAX: Final = 1_232
"""Bytes of a UDP payload: 1,280 (the least MTU of IPv6, RFC 8200 section 5) less headers, so that
IP never fragments it."""

DATAGRAM_FRAMES_MAX: Final = 128
"""Frames in one datagram: more than ours ever hold. Skipping a frame of an unknown kind takes some
microseconds, so a datagram full of the shortest frames must not take milliseconds."""

HELLO_SIZE: Final = 256
"""Bytes of a HELLO: at least as many as of its answer, so that a forged sender address cannot use
us for amplification."""

TEXT_MAX: Final = 65_536
"""Bytes of UTF-8 in one message. The sender refuses longer ones with a clear line."""

BODY_MAX: Final = TEXT_MAX + 256
"""Bytes of an encoded message body: the text and its time."""

LETTER_MAX: Final = BODY_MAX + 1_024
"""Bytes of a sealed letter: a body, two names, keys, a signature and the HPKE overhead."""

LINK_FRAME_MAX: Final = 72 * 1024
"""Bytes of one frame on an open link: a letter of full length fits, with space for its envelope."""

LINK_FIRST_FRAME_MAX: Final = 4 * 1024
"""Bytes of the first frame of a link. Nobody is authenticated yet, so a huge length must not make
us allocate."""

LINK_QUEUE_MAX: Final = 96 * 1024
"""Bytes waiting for one reader before its link is cut: a reader that never reads must not fill our
memory."""

MAIL_BATCH_MAX: Final = 64 * 1024
"""Bytes of letters in one batch; the next follows when it is acknowledged. A batch may always hold
one letter of any size."""

TABLE_PAGE_MAX: Final = 48 * 1024
"""Bytes of rows in one page of the table. The peer asks for the next page, so its own reading sets
the pace."""

ROWS_TOLD_WHOLE: Final = 64
"""Rows that a page gives whole; more are given as a roster. So a few people know each other's
addresses whatever becomes of the registry, and a thousand do not cost each newcomer a card each."""

CARDS_MAX: Final = 64
"""Rows that may be asked for at once: an answer must not be larger than a page."""

WATCHED_MAX: Final = 512
"""People whom a link may watch: each costs the registry an entry, and each change a notice."""

SIGHTS_MAX: Final = 64
"""People in one notice of changes: the longest names, addresses and words of 64 fit a frame."""

FOUND_MAX: Final = 50
"""People in one answer to Find."""

FINDS_PER_SECOND: Final = 1.0
"""Searches a second of one person, averaged: whoever wants to list a hundred thousand people takes
half an hour."""

FINDS_BURST: Final = 30.0
"""Searches of one person at once: a new page of the channel's log has many strangers."""

FINDS_NETWORK_FACTOR: Final = 20
"""How many times as many all people of one network may make: identities cost nothing."""

CHANNEL_LINES_PER_SECOND: Final = 1.0
"""Lines of the channel that a registry takes while very many people are online: each goes to all of
them."""

CHANNEL_LINES_BURST: Final = 5.0
"""Such lines at once."""

CHANNEL_NETWORK_PART: Final = 2
"""Which part of them may come from one network: nobody keeps everybody else from speaking."""

CHANNEL_PERSON_PART: Final = 5
"""Which part of them may come from one person."""

WATCH_UNIT: Final = 16
"""Keys in a Watch that count as one request."""

CUT_SIZE: Final = 4
"""Bytes of a cut key in a roster. Two people whose keys begin alike make the peer ask anew for a
page, so it must be rare by chance; nothing depends on it when it is on purpose."""


GROUP_PAGE_MAX: Final = 48 * 1024
"""Bytes of stored lines in one page of a group's log."""

# --- links ---------------------------------------------------------------------------------------------------

LINK_FIRST_FRAME_TIMEOUT: Final = 5.0
"""Seconds within which the first frame must arrive: a silent connection holds a descriptor no
longer than this."""

LINK_SEGMENT_MAX: Final = 1_220
"""Bytes of a TCP segment: 1,280 (the least MTU of IPv6) less headers, as for datagrams. Where a
network drops larger segments and its ICMP messages too (a black hole), they vanish silently and the
link would stall for ever."""

LINK_STALL_TIMEOUT: Final = 10.0
"""Seconds for which a peer's data on a link may stay unanswered. After that the link counts as
lost, and a message on it takes another way within 12 s."""

LINK_UNACKNOWLEDGED_MAX: Final = 20.0
"""Seconds for which data may stay unacknowledged by the other machine before TCP ends a link. On a
radio link whose queue is full TCP waits for 9 s before it repeats what was lost there."""

LINK_RATE_LEAST: Final = 1_024
"""Bytes a second that even a radio link of 9.6 kbit/s carries: a peer waits a second longer for an
answer for each so many bytes that it has sent."""

LINK_KEEPALIVE_SPAN: Final = 50.0
"""Seconds of silence after which a peer sends something on its link however long its lease is, to
test whether it still works."""

LINK_SILENCE_MAX: Final = 300.0
"""The same on a slow link: the lease that a peer there may ask for."""

LINKS_WAITING_PER_ADDRESS: Final = 16
"""Connections of one address that are not authenticated. The oldest is closed for a newer one, so a
flood of silent connections never keeps out a real peer behind the same address (a classroom behind
one NAT)."""

LINKS_WAITING_IN_ALL: Final = 512
"""The same for all addresses together: below the usual limit of 1,024 descriptors."""

OWN_ADDRESSES_MAX: Final = 64
"""Addresses of its own machine for which the registry opens a UDP socket. All of 127/8 is local, so
a local program could otherwise use up the descriptors. For further addresses the kernel chooses the
address of the answer."""

# --- the registry --------------------------------------------------------------------------------------------

NAMES_MAX: Final = 100_000
"""Names bound at one registry, unless its settings say otherwise; each costs about 1 KiB of memory
permanently. Beyond it newcomers are refused with `full`."""

NAMES_MOST: Final = 300_000
"""The most names that a registry can be set to: every peer holds them all."""

RELEASED_TOLD_MAX: Final = 10_000
"""Names that were given up whose last rows are kept for the peers that hold them, until the
registry's next start."""

NAMES_RESERVED_MAX: Final = 4
"""Names reserved for one identity besides its present one. Beyond it the oldest becomes free, so
that nobody hoards names."""

RENAMES_BURST: Final = 8
"""Changes of name of one identity at once: each is sent to everybody, and costs a signature to
check."""

RENAMES_SPAN: Final = 60.0
"""Seconds until an identity that has used these up may change its name once more."""

LETTER_PLACE: Final = 4_096
"""Bytes of one place in a mailbox: a letter takes one place for each such part of its length. Small
letters cost memory and a place in a list, large ones the disk."""

ROW_CHANGES_BURST: Final = 12
"""Changes of one table row sent at once, enough for four times away and back: each goes to
everybody online."""

ROW_CHANGES_SPAN: Final = 5.0
"""Seconds until one more change of the row is sent; changes meanwhile are sent as one, with the
latest state."""

ROW_CHANGES_PER_NETWORK_BURST: Final = 512.0
"""The same for all people of one network together. When a school behind one address comes back,
half of it is announced at once; all of it is served in any case."""

ROW_CHANGES_PER_NETWORK: Final = 25.0
"""Changes a second after that: six KiB a second for everybody online, when thousands of identities
come and go only to cause traffic."""

MAILBOX_PLACES: Final = 256
"""Places in one mailbox, 1 MiB. At most half of them are for one network, and a third for one
sender (`registry.rules.limits`): otherwise four people could fill a mailbox, and nobody else's
letter would be saved there for 21 days."""

MAIL_PLACES: Final = 512_000
"""Places in all mailboxes together: 2 GiB of disk, and about 0.3 KiB of memory each. Shared by the
same rules, since identities may write to each other and four senders could fill what belongs to
everybody."""

MAIL_KEPT_FOR: Final = 21 * 86_400.0
"""Seconds for which a letter is kept, and for which a peer keeps its old mail keys."""

NAME_KEPT_FOR: Final = MAIL_KEPT_FOR
"""Seconds for which a name that was given up stays reserved: nobody else gets a name while letters
to its former bearer may wait."""

GROUP_KEPT_FOR: Final = 7 * 86_400.0
"""Seconds for which a line of the channel or of a room is kept for absent members."""

GROUP_LINES_MAX: Final = 10_000
"""Lines kept in one group's log."""

GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes kept in one group's log."""

ROOMS_MAX: Final = 1_024
"""Rooms at one registry, unless its settings say otherwise, each with a file of its own. The room
that has been without members longest makes way for a new one."""

ROOM_MEMBERS_MAX: Final = 1_024
"""Members of a room. Whoever enters receives all members in one frame, which 36 bytes a member fill
by half."""

ROOMS_EACH_MAX: Final = 32
"""Rooms that one person may be in at once, unless the registry's settings say less: a list of all
of them fills one frame at most, and a person's return is announced in each."""

MEMBERSHIPS_PER_NAME: Final = 2
"""Memberships of rooms that there may be for each name, about 0.5 KiB each: identities cost nothing,
and each could be in 32 rooms. Half of them are for one network (`registry.rules.limits.Shares`): in
a school of 5,000, 20 for each."""

ROOM_LINES_MAX: Final = 2_000
"""Lines kept in a room's log."""

ROOM_BYTES_MAX: Final = 2 * 1024 * 1024
"""Bytes kept in a room's log: 2 GiB of disk if every room is full, even though one person may fill
a room alone."""

ROOMS_MADE_BURST: Final = 8
"""Rooms that one identity may create at once, so that nobody uses up `ROOMS_MAX` alone."""

ROOMS_MADE_SPAN: Final = 600.0
"""Seconds until one identity may create one room more."""

ROOMS_MADE_PER_ADDRESS_BURST: Final = 256
"""Rooms that may be created from one address at once: identities cost nothing, and a school of
5,000 in rooms of 20 shares an address. At most half of all rooms are for one network in any case
(`registry.rules.limits.Shares`)."""

ROOMS_MADE_PER_ADDRESS_SPAN: Final = 30.0
"""Seconds until one room more may be created from there."""

ROOM_ENTRIES_BURST: Final = 4 * ROOMS_EACH_MAX
"""Rooms that one identity may enter at once: each entry is announced to all members, and answered
with a list of them. Somebody in all rooms that one may be in can return four times."""

ROOM_ENTRIES_SPAN: Final = 0.5
"""Seconds until an identity that has used these up may enter a room once more."""

ROOM_LIST_MAX: Final = 48 * 1024
"""Bytes of rooms in one list."""

TOPIC_MAX: Final = 200
"""Characters of a room's topic: two lines on most screens, and at most 800 bytes in the frame that
lists a full room."""

TOPICS_BURST: Final = 8
"""Topics that one identity may set at once: each goes to the disk and to all members."""

TOPICS_SPAN: Final = 5.0
"""Seconds until an identity that has used these up may set one more."""

STATUS_MAX: Final = 80
"""Characters of what a row says of its person: a line on most screens. Two such texts, at most 640
bytes, fit one datagram with the rest of the row."""

SILENCE_REPORTS_PER_SECOND: Final = 5.0
"""Reports a second, averaged, by which one member may have others probed for a sign of life. Each
leads to at most one probe on each path, unless the other member does not answer."""

SILENCE_REPORTS_BURST: Final = 50.0
"""Such reports at once: all the people with whom a member talks may vanish together."""

REQUESTS_PER_SECOND: Final = 5_000.0
"""Frames a second that one link is served, averaged; a faster link is read more slowly, and nothing
is dropped."""

REQUESTS_BURST: Final = 10_000.0
"""Frames that one link may send at once."""

REQUESTS_NETWORK_FACTOR: Final = 4
"""The factor for all links of one network together: identities cost nothing."""

LINE_COST: Final = 20
"""The requests for which a line of a group counts: each member gets it, and the disk. It allows one
speaker 250 a second, and 500 at once."""

LINE_UNIT: Final = 256
"""A line counts as one request more for each so many bytes: it allows 18 of the longest lines a
second."""

RENEWAL_COST: Final = 250
"""Requests as which a frame of a link's renewal counts: the answer takes four key agreements, a
quarter of a millisecond."""

ANSWER_UNIT: Final = 1_024
"""A request counts as one more for each so many bytes of its answer: pages of a table or of a log
are expensive."""

RELAYS_PER_SECOND: Final = 200.0
"""Datagrams a second of one sender to one recipient that the registry relays over links, averaged:
a fallback where UDP fails. Further ones are dropped, as on a slow network; otherwise a flooder
would fill the recipient's link until it is cut."""

RELAYS_BURST: Final = 400.0
"""Such datagrams at once: several of the longest messages."""

RELAYS_PER_NETWORK: Final = 400.0
"""The same for all senders of one network to one recipient."""

RELAYS_PER_NETWORK_BURST: Final = 800.0
"""The same limit for datagrams at once."""

FILE_RELAYS_PER_SECOND: Final = 300.0
"""Datagrams a second with pieces of files that are relayed for one sender, averaged: some 300 kB."""

FILE_RELAYS_BURST: Final = 150.0
"""The same at once."""

FILE_RELAYS_IN_ALL: Final = 3_000.0
"""The same a second for all senders together: files take a small part of a registry."""

FILE_RELAY_NETWORK_SHARES: Final = 4
"""How many times the bytes of one person those of one network may be together."""

FILE_RELAY_PAUSE: Final = 60
"""Seconds that are waited when they are used up, beside those until some are left again."""

FILE_RELAY_BYTES: Final = 10_000_000
"""Bytes of files that are relayed for one sender in an hour, and at once, if no setting says
otherwise."""

REQUESTS_QUEUED_MAX: Final = 8
"""Requests of one identity that wait behind one that waits for the disk: more than a person types
while a disk hangs, and little memory for a program that asks as fast as it is served."""

ANNOUNCEMENT_MAX: Final = 1_000
"""Characters of what a server's owner tells everybody."""

EXCLUSION_TEXT_MAX: Final = 200
"""Characters that a server's owner tells somebody who is kept out: a REFUSED with them fits any
path."""

BANS_MAX: Final = 10_000
"""Bans that the server's owner may add while it runs."""

INVITES_MAX: Final = 1_000
"""Unused join codes; the server's owner makes more when some are used or have expired."""

INVITE_KEPT_FOR: Final = 7 * 86_400.0
"""Seconds for which a join code is valid: a code that was lost in a mailbox must not work for
ever."""

REGISTERS_PER_SECOND: Final = 200.0
"""REGISTER datagrams a second and address whose signature is checked (about 0.1 ms each); further
ones are dropped."""

REGISTERS_BURST: Final = 2_000.0
"""REGISTER datagrams of one address at once: a classroom behind one NAT that comes back after a
power cut."""

OPENINGS_PER_NETWORK_PER_SECOND: Final = 200.0
"""Openings of sessions a second and address that are processed (about 0.3 ms each), beside the
first one of each party in a while: 2,000 identities of one address would otherwise take most of a
core."""

OPENINGS_PER_NETWORK_BURST: Final = 2_000.0
"""Openings of one address at once: all whose REGISTERs are let in together."""

REGISTERS_WAITING_MAX: Final = 4_096
"""REGISTERs that wait for their signature check, about 2 KiB each. A school that comes back behind
one address fits; a peer that does not fit tries again."""

NAMES_PER_ADDRESS_BURST: Final = 2_000.0
"""New names that one address (one /64 of IPv6) may bind at once: a school behind one NAT on its
first day. Names are bound for ever, so unlimited binding would use up NAMES_MAX for everybody; this
bounds what a squatter gets from one address."""

NAMES_PER_ADDRESS_PER_HOUR: Final = 500.0
"""New names of one address an hour, averaged, after that. A peer that has a name already is not
affected."""

PROMISES_MAX: Final = 50_000
"""Answers that wait for the disk (about 1 KiB each). Beyond it, while a disk hangs, requests that
must be stored are refused as if the disk were full: members who ask as fast as they are served
would otherwise fill our memory. What the help desk tells has as many places again, so that nothing
overtakes what was decided before."""

PROMISES_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of group lines that wait for the disk before the members get them."""

BUCKETS_MAX: Final = 10_000
"""Addresses whose rate is remembered; the one that was idle longest is forgotten first."""

# --- the help desk -------------------------------------------------------------------------------------------

GUESTS_MAX: Final = 8_192
"""Guests (people without a name) in all; each costs about 1 KiB until it is forgotten."""

GIVEN_AGAIN_MAX: Final = 256
"""Delivered messages that a sender has in memory at a time to give them to one recipient again. Any
others are only in its history."""

GIVEN_AGAIN_TEXTS_MAX: Final = 1024 * 1024
"""Characters of these messages."""

SERVERS_MAX: Final = 8
"""Servers of one registry that a person may name, and that a WELCOME may."""

SERVER_HOST_MAX: Final = 64
"""Characters of a host in a WELCOME."""

SERVER_ADDRESSES_MAX: Final = 16
"""Addresses at which a peer looks for its registry: those of the servers that it was given and of
those it was told of."""

GUESTS_PER_ADDRESS: Final = 256
"""Guests of one address: enough for a class behind one NAT, yet one machine alone cannot take every
place."""

GUESTS_PER_GATEWAY: Final = GUESTS_MAX // 2
"""Guests of one gateway, which the server's owner has listed: a gateway that misbehaves leaves half
of the places."""

GUEST_KEPT_FOR: Final = 60.0
"""Seconds for which a guest without a link is remembered: as long as a cookie is valid, so that no
old REGISTER works."""

DESK_QUEUES_MAX: Final = 16
"""Queues of one desk: they come from the registry's own configuration and must fit in one
notice."""

DESK_QUEUE_NAME_MAX: Final = 32
"""Characters of a queue's name."""

DESK_MENU_MAX: Final = 32
"""Entries of the menu of issues."""

DESK_MENU_TEXT_MAX: Final = 100
"""Characters of one entry."""

DESK_FORM_NAME_MAX: Final = 64
"""Characters of a visitor's full name: enough for long names, little for each of thousands who
share a queue."""

DESK_FORM_NUMBER_MAX: Final = 20
"""Characters of a telephone number: 15 digits (E.164) and the separators between them."""

DESK_WAITING_MAX: Final = 2_048
"""Visitors in one queue: about 1 KiB of memory and disk each. Beyond it newcomers read that the
line is full."""

DESK_VISITS_PER_ADDRESS: Final = 128
"""Visits of one address at once: one machine cannot fill the line alone."""

DESK_VISITS_PER_GATEWAY: Final = DESK_WAITING_MAX // 2
"""Visits of one gateway at once: it cannot fill a line alone."""

CHANGED_WITHIN_MS: Final = 7 * 86_400 * 1_000
"""Milliseconds after which a line is not edited or taken back any more: by its author's clock, or by
the registry's in a visit. What is older was read, quoted and archived."""

DESK_LINES_MAX: Final = 1_000
"""Lines kept of one visit. Lines that both sides have read are dropped first, oldest first; a
hand-over passes on what is kept."""

DESK_LINES_BYTES_MAX: Final = 4 * TEXT_MAX
"""Bytes of the lines kept of one visit: four of the longest."""

DESK_WINDOW: Final = TEXT_MAX
"""Bytes of lines sent to one reader and not confirmed: fewer than would get their link cut."""

DESK_LINES_PER_SECOND: Final = 20.0
"""Lines a second that one visitor or operator may send, averaged: each costs a disk write and a
notice."""

DESK_LINES_BURST: Final = 200.0
"""Lines at once: a text of this many lines may be pasted."""

DESK_JOINS_PER_SECOND: Final = 20.0
"""Visits a second that may begin from one host, averaged: who joins and leaves again and again
costs disk writes."""

DESK_JOINS_BURST: Final = 200.0
"""Visits at once from one host: more than it may have, as some leave and come again."""

DESK_JOINS_PER_GATEWAY: Final = 100.0
"""Visits a second that may begin through one gateway, averaged."""

DESK_JOINS_PER_GATEWAY_BURST: Final = float(DESK_VISITS_PER_GATEWAY)
"""Visits at once through one gateway: a crowd that comes when the desk opens."""

DESK_NOTE_MAX: Final = 4_096
"""Bytes of an operator's note about a visitor."""

DESK_DESCRIPTION_MAX: Final = 4_096
"""Bytes of what a visitor who waits writes about the issue: kept with the form, in memory and on
disk."""

DESK_CLOSING_MAX: Final = 200
"""Characters of what an operator says about the closing of a queue: all queues must fit in one
notice."""

DESK_HOURS_MAX: Final = 32
"""Entries of the opening hours."""

DESK_SHORT_MAX: Final = 32
"""Characters of the short word of a ready answer."""

DESK_ANSWER_MAX: Final = 1_000
"""Characters of a ready answer."""

DESK_ANSWERS_MAX: Final = 64
"""Ready answers of one desk."""

DESK_ANSWERS_BYTES_MAX: Final = 32_768
"""Bytes of all ready answers together: they must fit in one notice."""

DESK_SHOWN_MAX: Final = 40
"""Visitors served, and waiting, in one answer to `.room`: with the longest names still below the
size of a frame."""

DESK_SESSIONS_MAX: Final = 2_048
"""Past sessions that are remembered for a queue's figures of the day and its estimates."""

DESK_PAST_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of all transcripts of past sessions: the oldest give way to newer ones."""

DESK_PAST_SHOWN_MAX: Final = 40
"""Past sessions in one answer to `.past`."""

DESK_PAST_BYTES_SHOWN: Final = 48 * 1024
"""Bytes of one answer to `.past`, so that it stays below the size of a frame."""

DESK_PAST_LINE_SHOWN: Final = 2_000
"""Characters of a line in an answer to `.past`."""

DESK_FILE_NAME_MAX: Final = 255
"""Characters of the name of a file that somebody sends at the desk: as many as systems allow."""

DESK_PIECE_SIZE: Final = 32 * 1_024
"""Bytes of a piece of such a file: two on their way leave room for lines on a link."""

DESK_FILES_BURST: Final = 20.0
"""Files at once of one visit or, for visits that do not come through a gateway, of one host: each
costs disk writes, also one that is taken back."""

DESK_FILES_PER_SECOND: Final = 0.1
"""The same a second, after that."""

DESK_FILES_SHARE: Final = 4
"""Which part of the desk's place for files the visitors of one host may fill: no network alone keeps
the others out. Of one gateway, twice as much."""

DESK_UPLOAD_IDLE_MAX: Final = 30.0
"""Seconds after its last piece for which the place of a file that is not whole is kept."""

DESK_UPLOAD_MAX: Final = 600.0
"""The same, after its first piece: slow senders do not keep the place from others."""

DESK_UNTOLD_MAX: Final = 256
"""Visitors who were dropped from the line while they were away, and are told so when they come
back."""

DESK_CONSOLE_LINES_MAX: Final = 1_000
"""Unread lines for the registry's own terminal: beyond it they are counted, not kept."""

DESK_TYPED_AHEAD_MAX: Final = 20_000
"""Lines typed at the registry's own terminal that wait for the answer to an earlier one: more than
one read brings."""

# --- a peer --------------------------------------------------------------------------------------------------

CONTACTS_MAX: Final = NAMES_MOST
"""Table rows that a peer holds; a dishonest registry cannot make it hold more."""

EVENTS_WAITING_MAX: Final = 10_000
"""Events that wait for the program that shows them (a stopped terminal, a bot that hangs). Beyond
it no message is accepted from anybody: messages are not acknowledged and not lost, as if we were
away."""

RECORDS_WAITING_MAX: Final = 10_000
"""Records that wait for a disk that accepts no writes. Beyond it nothing is accepted or sent until
the disk works again."""

TEXTS_WAITING_MAX: Final = 32 * 1024 * 1024
"""Characters in the texts of waiting events, or of waiting records, with the same effect: a line
may have 64 KiB."""

HELD_TEXTS_MAX: Final = 16 * 1024 * 1024
"""Characters of all messages that wait for an earlier one of their sender. Beyond it, messages of
the sender who holds most are shown out of order: somebody who leaves out numbers on purpose must
not fill our memory with later messages."""

HELD_MESSAGE_COST: Final = 1_024
"""Characters that each of these messages counts beside its text, for what is kept with it: so at
most 16,384 wait."""

GROUP_HELD_MAX: Final = 64
"""Group frames held because their sender's table row has not arrived yet."""

# --- files ---------------------------------------------------------------------------------------------------

CHUNK_SIZE: Final = 256 * 1024
"""Bytes of a file that are sealed, hashed and asked for as one."""

PAGE_CHUNKS: Final = 8_192
"""Chunks whose hashes make a page. A page is as long as a chunk, and stands for 2 GiB."""

FILE_PAGES_MAX: Final = 512
"""Pages of one file: their hashes are in the offer, which must stay far below a full message."""

FILE_MAX: Final = FILE_PAGES_MAX * PAGE_CHUNKS * CHUNK_SIZE
"""Bytes of one file: 1 TiB."""

FILE_LINKS_MAX: Final = 16
"""Connections on which others fetch our files at a time. Those on which nothing is asked for that
we have make room: many strangers keep nobody out."""

FILE_STRANGERS_EACH: Final = 4
"""Connections of one host that have not shown who they are: a stranger does not take them all."""

FILE_LINKS_EACH: Final = 4
"""Connections of one person, who fetches that many files at a time: nobody keeps the others out."""

FILE_LINK_OPENS_WITHIN: Final = 5.0
"""Seconds until somebody who connects must have shown who they are."""

FILE_LINK_IDLE_MAX: Final = 60.0
"""Seconds without a request after which such a connection ends."""

FILE_ASKED_MAX: Final = 16
"""Requests on one connection that are not answered: what waits for a reader is 4 MiB at most."""

PIECE_SIZE: Final = 1_000
"""Bytes of a link in one frame of a tunnel: it fits into any datagram, also one that opens."""

TUNNEL_SPAN_MAX: Final = 1_024
"""Pieces that may be under way in one tunnel: 1 MB waits for an earlier piece at most."""

RECIPIENTS_MAX: Final = 32
"""People to whom one line of a user sends a message or a file each."""

PORT_TRIES_MAX: Final = 4
"""Connections at a time that we make to tell others whether they can be reached."""

PORT_TRIES_BURST: Final = 2
"""Those of one person at once: nobody makes us connect as often as they like."""

PORT_TRIES_EACH: Final = 10.0
"""Seconds until one more, after that."""

FILE_OTHERS_MAX: Final = 8
"""People of whom one who has a file says that they may have some of it."""

FILE_SUGGESTED_MAX: Final = 8
"""Chunks that one who has a file would like to be asked for first on a connection."""

FILES_KNOWN_MAX: Final = 256
"""Files that a peer knows, its own and those offered to it: the oldest is forgotten."""

FILE_OFFERS_BURST: Final = 30
"""Offers of one person that are taken at once. Further ones are shown as messages and cannot be
accepted: nobody fills the list of another."""

FILE_OFFERS_PER_HOUR: Final = 30
"""The same an hour, after that."""


# --- files at the registry ------------------------------------------------------------------------------------

KEPT_LINKS_MAX: Final = 32
"""Connections on which people give files to the registry, or fetch them, at a time."""

KEPT_LINKS_EACH: Final = 4
"""Those of one person: nobody keeps the others out."""

KEPT_LINKS_PER_NETWORK: Final = 12
"""Those of the people of one network."""

KEPT_LINK_IDLE_MAX: Final = 60.0
"""Seconds without a whole frame after which such a connection ends."""

KEPT_GIVEN_WITHIN: Final = 3_600.0
"""Seconds in which a file must be given: slow senders do not keep the place from others."""

KEPT_WINDOW: Final = 4
"""Chunks that the registry asks for at a time: 1 MiB is on its way."""

KEPT_BYTES_PER_SECOND: Final = 16 * 1024 * 1024
"""Bytes a second that all such connections together bring and take: words come first."""

KEPT_LEAST: Final = 64 * 1024
"""Bytes that each kept file counts at least, so that small ones are not too many."""

KEPT_NETWORK_SHARES: Final = 4
"""How many times the place of one person the people of one network have together."""

KEPT_TURNS_PER_HOUR: Final = 2
"""How often somebody may fill their place anew in an hour, and at once."""


Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A 32-byte public key: Ed25519 (identity) or X25519 (mail)."""

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A SHA-256."""

Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that fits a signed 64-bit integer, so that it also fits every store."""

Name = Annotated[str, msgspec.Meta(max_length=32)]
Host = Annotated[str, msgspec.Meta(max_length=SERVER_HOST_MAX)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
ROOM_SIGN: Final = "#"
"""The first character of the name of the group of a room."""

Reference = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""Chosen by the sender of a request, repeated in the answer."""
