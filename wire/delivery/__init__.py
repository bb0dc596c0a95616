"""Reliable delivery of numbered messages over lossy datagrams, without sockets, clocks, keys or
names.

Read first: `stream` (both halves), `sender` (what is sent when), `dedup` (what was shown already).
"""
