"""Makes the buckets that are named, on the S3 server of the environment; those that are there stay as they are."""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

client = boto3.client("s3")
for bucket in sys.argv[1:]:
    try:
        client.create_bucket(Bucket=bucket)
    except (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        pass
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"The bucket {bucket} cannot be made: {error}")
    client.head_bucket(Bucket=bucket)
