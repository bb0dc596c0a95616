"""Programs to learn from: the main job as a play of real processes, and a bot on the SDK."""
