"""Coverage-guided fuzzing of every decoder and of both cores."""
