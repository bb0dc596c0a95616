"""From a checkout, `python chatapp.py ...` does what the installed `ChatApp ...` does."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load, Ctrl-C ends the program
    try:
        from chatapp.__main__ import main
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] == "chatapp":
            raise
        sys.exit(f"ChatApp: {missing.name} is not installed here; type: make install, then .venv/bin/ChatApp")
    sys.exit(main())
