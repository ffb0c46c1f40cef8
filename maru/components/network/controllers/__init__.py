"""What keeps the data plane in step with Services, EndpointSlices, Nodes and policies."""
