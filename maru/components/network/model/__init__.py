"""Pure rules of the network: addresses, what a Service forwards to, and the elements that make it so."""
