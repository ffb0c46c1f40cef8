"""What Maru costs, measured on the machine at hand: `python -m bench [SECTION ...]`.

Each section is a module with `measure(say)`, which answers tables of what was aimed at and what came
out; where a peer is installed, it is measured in the same run and the ratio stands beside it. Nothing
here asserts a time.
"""
