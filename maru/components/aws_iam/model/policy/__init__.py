"""The policy engine: policies compiled once, requests decided against them; values in, values out."""
