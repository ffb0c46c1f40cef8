"""Admission that users configure: webhooks and CEL policies."""
