"""Pure rules: which records a Service has, and what a question meets."""
