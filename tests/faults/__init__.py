"""The fault lab: the real program under faults of machines, disks, networks and strangers
(docs/explanation/reliability.md)."""
