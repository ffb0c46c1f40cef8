"""The commands, one file each: `add` declares the arguments, `run` does it and answers the exit code."""
