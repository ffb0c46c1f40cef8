"""Gives every Pod a node, as kube-scheduler does.

Filters say where a Pod may run, scores where it runs best, preemption makes room by priority; what
cannot be placed says why in its condition and an Event, and is tried again when something changed.
Proven by kubectl (describe, wait, cordon, taint, drain). What it does not do stands in README.md.
"""
