"""What binds an account, answered from memory on every request."""
