"""Programs beside a running peer: JSON-RPC over a Unix socket, as `docs/reference/rpc.md` says.

Read first: `protocol` (its words), `session` (one client), `hub` (all clients of one node).
"""
