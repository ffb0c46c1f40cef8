"""The data plane: containers held by conmon, image content on disk."""
