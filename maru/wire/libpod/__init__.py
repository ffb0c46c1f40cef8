"""libpod's API, which podman's own clients speak: versions, errors, what is asked of containers and pods."""
