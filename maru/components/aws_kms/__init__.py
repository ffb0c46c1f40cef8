"""AWS KMS: keys that really encrypt, sign and authenticate, and decide by key policy and grant who may use them.

Stands in for the AWS Key Management Service of every account and region. Proven by boto3, the aws command
line and the AWS Encryption SDK for Python (tests/clients/test_aws_kms.py, examples/aws). Key material is
sealed under the platform's root key before it is stored. It does not do SM2, Ed25519ph, Nitro attestation
or custom key stores.
"""
