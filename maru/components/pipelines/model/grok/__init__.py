"""Grok: named patterns put together to regular expressions, and matched against lines."""
