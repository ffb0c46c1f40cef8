"""Boot: which components there are, which process each runs in, and how they are put together."""
