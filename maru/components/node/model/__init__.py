"""The kubelet's rules: values in, values out."""
