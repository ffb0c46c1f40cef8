"""What IAM brings right by itself."""
