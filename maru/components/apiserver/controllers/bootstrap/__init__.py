"""What must be there before anybody asks: made at start where it is missing, put right where it is ours."""
