"""Logstash's configuration language: text to a syntax tree, field references, and strings with fields in them.

Pure: reading files, environment variables and what plugins do stand elsewhere.
Source: Logstash reference, "Structure of a pipeline", "Accessing event data and fields".
"""
