"""The rules of KMS: key specs, states, names, ciphertexts, policies, grants. Values in, values out."""
