"""The queue as a pure state machine: who is in line, who serves whom, and what each event leads to."""
