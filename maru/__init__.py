"""Maru: a cloud-native platform in one package.

The layers, from top to bottom, are cli, boot, components, contracts and kinds, core, wire and
linux; imports only point down. `docs/ARCHITECTURE.md` is the map.
"""

__version__ = "0.1.0"
