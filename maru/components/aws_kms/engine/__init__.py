"""Cryptography under KMS keys, and the material that is open in memory."""
