"""The rules of S3: values in, values out."""
