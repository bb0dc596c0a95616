"""Coverage-guided fuzzing: every decoder, and both cores, under bytes that a fuzzer found interesting."""
