"""Cluster addresses and node ports of Services, given out in memory and rebuilt from what is stored."""
