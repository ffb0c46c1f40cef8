"""Linux itself: netlink, nftables, namespaces, cgroups, mounts, fork, ctypes stand only here."""
