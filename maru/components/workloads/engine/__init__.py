"""What touches the machine: the folders of provisioned volumes."""
