"""All rules of a registry, without I/O: a request or the time comes in, effects go out.

Read first: `effects` (what a rule may ask for), `hub` (which rule handles what), `mail` (a whole
subject in one file).
"""
