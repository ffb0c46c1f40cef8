"""The operations of IAM and STS, one file per noun."""
