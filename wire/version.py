"""The version of the installed program."""


def installed_version() -> str:
    """Return the installed version; "0" in a checkout that is not installed."""
    from importlib.metadata import (
        PackageNotFoundError,
        version,
    )  # deferred: it takes longer to load than the rest of a start

    try:
        return version("chatapp")
    except PackageNotFoundError:
        return "0"
