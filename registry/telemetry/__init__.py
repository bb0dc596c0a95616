"""What a registry tells its operator: figures, Prometheus metrics, the log."""
