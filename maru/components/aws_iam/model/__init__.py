"""What IAM and STS are: documents, names, tokens, and the policy engine; pure."""
