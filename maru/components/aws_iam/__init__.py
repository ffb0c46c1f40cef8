"""AWS IAM and STS: users, groups, roles and policies of every account, and the engine that decides by them.

Stands in for AWS Identity and Access Management and the Security Token Service. Whoever asks for access in any
AWS service is found here by access key or session token, and judged here by every kind of policy there is.
Proven by boto3, the aws command line (tests/clients/test_aws_iam.py, examples/aws) and the public suites of
others. It has no console to log in to, no hardware MFA and no Access Analyzer; see README.md.
"""
