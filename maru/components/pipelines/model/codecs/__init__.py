"""Codecs: bytes of an input to events, an event to the bytes of an output."""
