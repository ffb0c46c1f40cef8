"""Admission: ordered steps between what a client wants and what is written."""
