"""Programs beside a running peer: JSON-RPC over a Unix socket, as `docs/reference/rpc.md` says."""
