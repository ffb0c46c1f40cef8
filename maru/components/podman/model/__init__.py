"""Pure rules between libpod's words and the Engine API's."""
