"""Boot's own parts: things of the core that are opened in line with the components."""
