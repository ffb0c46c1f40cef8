"""What a build decides: options, arguments, configurations."""
