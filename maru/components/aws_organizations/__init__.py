"""AWS Organizations: accounts, the tree they stand in, and the policies that bind them.

Stands in for AWS Organizations, several organizations on one platform included. Proven by boto3 and the aws
command line (tests/clients/test_aws_organizations.py, examples/aws). Every account is a real, separate one in
each AWS service of Maru; service and resource control policies are decided by the policy engine. It does
not do GovCloud accounts, responsibility transfers or billing.
"""
