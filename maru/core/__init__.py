"""The core: what every component stands on and none owns.

The document store, the client to it, loops that bring the world right, the HTTP front, identity,
lifecycle, configuration, time, errors, bounds, logs and meters. It knows no component.
"""
