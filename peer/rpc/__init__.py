"""Programs beside a running peer: JSON-RPC over a Unix socket, as `docs/rpc.md` says."""
