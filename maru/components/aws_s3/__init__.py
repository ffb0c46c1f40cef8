"""S3: buckets and objects behind the AWS front, on this machine's disk, with policies enforced and bytes encrypted.

It stands in for Amazon S3. The aws command line, boto3 with its transfer manager and Terraform's reads prove it.
Buckets are documents; objects are volume: an SQLite index and files of their own. It does not replicate,
archive, log or run queries; what is not done answers NotImplemented (README, gaps).
"""
