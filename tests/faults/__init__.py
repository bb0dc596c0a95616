"""The fault lab: the real program, and what machines, disks, networks and strangers do to it (docs/reliability.md)."""
