"""Wire formats: bytes to values and back. No I/O, no clock, no core, no other wire."""
