"""The edge: the distribution API's paths, answers and errors."""
