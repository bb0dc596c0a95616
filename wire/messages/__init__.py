"""The messages of the protocol, one file a subject; `wire.codec` turns them into bytes and back."""
