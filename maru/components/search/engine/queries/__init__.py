"""The query DSL, checked and compiled for one partition."""
