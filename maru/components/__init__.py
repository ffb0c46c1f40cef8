"""The components: flat, all of one shape, none importing another."""
