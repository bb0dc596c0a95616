"""The commands of the command line, one file each: `send`, `export`, `config`, `stats`, `invite` and `names`."""
