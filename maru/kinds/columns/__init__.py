"""The columns that kubectl shows, kind by kind, one file per group of kinds.

Source: k8s.io/kubernetes/pkg/printers/internalversion, column definitions and what they print.
"""
