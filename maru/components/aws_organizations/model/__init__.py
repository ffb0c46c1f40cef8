"""The rules of Organizations: the tree, policy contents, inheritance. Values in, values out."""
