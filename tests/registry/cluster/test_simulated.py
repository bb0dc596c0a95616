"""Whatever happens between nodes and broker, nothing that was called saved is lost, doubled or
undone."""

import pytest

from tests.registry.cluster.simulated import World


@pytest.mark.parametrize("seed", range(24))
def test_what_was_promised_holds_through_every_takeover(seed: int) -> None:
    world = World(seed)
    for _ in range(12):
        world.run(world.rng.uniform(1, 8))
        world.mischief()
    world.run(60)  # everything is well again
    before = world.promises, world.checkpoints
    world.run(90)
    assert world.promises > before[0], "nobody serves"
    assert world.checkpoints > before[1], "no snapshot can be written any more"
    world.replace_all()
    takeovers = world.takeovers
    world.run(30)
    assert world.takeovers > takeovers
