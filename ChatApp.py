"""From a checkout, `python ChatApp.py ...` does what the installed `ChatApp ...` does."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load, Ctrl-C ends the program
    from chatapp.__main__ import main

    sys.exit(main())
