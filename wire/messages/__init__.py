"""The messages of the protocol, one file a subject; `wire.codec` turns them into bytes and back.

Read first: `registration` (getting in), `direct` (between two people), `link` (all that goes over a
link).
"""
