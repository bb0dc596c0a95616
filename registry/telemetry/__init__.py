"""What a registry tells its operator: figures, Prometheus metrics, the log.

Read first: `figures` (what is counted), `metrics` (how it is asked for), `logs` (the log and its
file).
"""
