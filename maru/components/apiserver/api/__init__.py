"""The HTTP edge: requests to verbs, outcomes to answers."""
