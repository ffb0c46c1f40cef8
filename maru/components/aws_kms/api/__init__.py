"""The operations of KMS, one file per noun."""
