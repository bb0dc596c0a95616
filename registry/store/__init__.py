"""This package is about what the registry keeps on disk: names, mail, group keys and group lines.

It knows records, files and the order of their writes.
"""
