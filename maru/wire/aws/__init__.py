"""The AWS protocols: what bytes mean by a service's model, and SigV4. No I/O, no clock.

Source: Smithy specification, AWS protocols (awsJson 1.0 and 1.1, awsQuery, ec2Query, restJson1, restXml);
Signature Version 4; the service models of botocore (service-2.json).
"""
