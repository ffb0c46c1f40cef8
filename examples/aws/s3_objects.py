"""S3 with boto3: a versioned bucket, a large upload in parts, a presigned link, and a policy that decides.

Run it where `eval "$(maru env)"` was run.
"""

from __future__ import annotations

import io
import json
import os
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = f"example-{os.getpid()}"


def main() -> None:
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    film = os.urandom(20 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(film), BUCKET, "film")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "film"})
    with urllib.request.urlopen(link) as answer:
        print("downloaded by link:", answer.read() == film)

    first = s3.put_object(Bucket=BUCKET, Key="note", Body=b"first")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="note", Body=b"second")
    s3.delete_object(Bucket=BUCKET, Key="note")
    kept = s3.get_object(Bucket=BUCKET, Key="note", VersionId=first)["Body"].read()
    print("the first version is still:", kept.decode())

    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/film",
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        s3.get_object(Bucket=BUCKET, Key="film")
    except ClientError as error:
        print("after the policy:", error.response["Error"]["Code"])

    for found in s3.list_object_versions(Bucket=BUCKET).values():
        for version in found if isinstance(found, list) else ():
            s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


if __name__ == "__main__":
    main()
