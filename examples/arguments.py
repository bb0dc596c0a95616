"""The command line of the bots: name, server-ip and server-port."""

import sys


def name_and_server() -> tuple[str, tuple[str, int]]:
    """Return the name, and the host and port of the server. Raises SystemExit with one line for
    anything else."""
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} <name> <server-ip> <server-port>")
    _, name, host, port = sys.argv
    if not (port.isascii() and port.isdecimal()):
        sys.exit(f'server-port: "{port}" is not a number')
    return name, (host, int(port))
