"""Output plugins: where events go."""
