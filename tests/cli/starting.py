"""Command lines for tests, and the stand-ins for the programs that they would start."""

from typing import Final

import msgspec

from chatapp.peer.faces.program import StartOptions, VisitOptions
from chatapp.registry.program.settings import Settings

SEND: Final = ["send", "alice", "127.0.0.1", "5000", "bob"]
PEER: Final = ["-c", "alice", "127.0.0.1", "5000", "6000"]
PORTS: Final = "ports are 1024-65535"


class Started:
    """Stand-in for the registry and the peer: records the arguments of a start."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.mode = ""
        self.told: dict[str, object] = {}

    def serve(self, **told: object) -> int:
        self.mode, self.told = "registry", told
        return self.status

    def chat(self, wanted: StartOptions, **told: object) -> int:
        self.mode, self.told = "peer", {**msgspec.structs.asdict(wanted), **told}
        return self.status

    def visit(self, wanted: VisitOptions, **told: object) -> int:
        self.mode, self.told = "visitor", {**msgspec.structs.asdict(wanted), **told}
        return self.status

    @property
    def settings(self) -> Settings:
        """The settings of a started registry."""
        settings = self.told["settings"]
        assert isinstance(settings, Settings)
        return settings

    def say(self, wanted: StartOptions, **told: object) -> int:
        self.mode, self.told = "once", {**msgspec.structs.asdict(wanted), **told}
        return self.status
