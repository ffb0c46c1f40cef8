"""The kubelet's HTTP API, one file per noun."""
