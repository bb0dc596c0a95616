"""How the running Python was built.

It needs the standard library alone, and no new syntax: `make install` runs this file with each
Python that it finds.

    python bench/interpreter.py              print the version and the kind of build
    python bench/interpreter.py --optimised  exit with 0 if it is new enough and optimised, else 1
    python bench/interpreter.py --any        exit with 0 if it is new enough, else 1
"""

import platform
import sys
import sysconfig

OLDEST = (3, 11)


def is_optimised() -> bool:
    """Whether this Python was compiled with the help of a profile, which makes it 10 to 20 %
    faster.

    Linux distributions do that without saying so in their configuration; so does the installer for
    Windows, where the configuration has no arguments at all.
    """
    arguments = sysconfig.get_config_var("CONFIG_ARGS")
    is_from_distribution = sys.platform == "linux" and sys.base_prefix == "/usr"
    return arguments is None or "--enable-optimizations" in arguments or is_from_distribution


def described() -> str:
    """Return the version and the kind of build, such as `3.11.7 (built without optimisation)`."""
    build = "optimised build" if is_optimised() else "built without optimisation"
    return f"{platform.python_version()} ({build})"


def main(arguments: list[str]) -> int:
    if not arguments:
        print(described())
        return 0
    is_fit = sys.version_info >= OLDEST and (arguments[0] == "--any" or is_optimised())
    return 0 if is_fit else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
