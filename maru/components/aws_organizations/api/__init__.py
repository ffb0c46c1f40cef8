"""The operations of Organizations, one file per noun."""
