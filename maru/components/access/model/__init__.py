"""Pure rules of access: the standard roles and bindings as data, and what must be written to have them."""
