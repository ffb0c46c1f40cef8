"""The front door of the AWS services, port 4566: who asks, for what, in which protocol, and the answer's bytes.

It stands in for the endpoints of AWS (kms.us-east-1.amazonaws.com and the others) and is proven by the
aws command line and boto3. Signatures are verified, operations read and answered by botocore's own
service models. What an operation does is the services' matter. SigV4a is answered as not implemented.
"""
