"""The promise of docs/reliability.md, one file a part of it: each looks at a world after every step."""
