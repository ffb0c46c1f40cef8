"""Running pipelines: queues, inputs, outputs, and the workers between them."""
