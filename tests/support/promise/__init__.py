"""The promise of docs/explanation/reliability.md, one file for each part: each checks a world after every
step."""
