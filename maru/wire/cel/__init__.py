"""The Common Expression Language as Kubernetes uses it: parsed, type checked, bounded and evaluated.

Expressions are compiled once into closures; every step spends from a budget, so no expression runs
for long. Values are plain JSON values and the few classes of `values.py`.
Source: the CEL language definition (cel-spec, doc/langdef.md); Kubernetes docs, "Common Expression
Language in Kubernetes".
"""
