"""The data plane: links, leases and nftables tables, worked on by one thread."""
