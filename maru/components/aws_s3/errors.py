"""The errors of S3: code, HTTP status and text, and the class of core/errors each of them is.

Source: Amazon S3 API reference, "Error responses", and the texts that S3 sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.core.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Invalid,
    MaruError,
    NotFound,
    NotSupported,
    TooLarge,
    Unavailable,
)

_CLASSES: Mapping[int, type[MaruError]] = {
    304: Conflict,
    307: Unavailable,
    400: Invalid,
    403: Denied,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    411: Invalid,
    412: Conflict,
    413: TooLarge,
    416: Invalid,
    500: Unavailable,
    501: NotSupported,
    503: Unavailable,
}

_TEXTS: Mapping[str, tuple[int, str]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "AccessForbidden": (
        403,
        "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
        "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
        "resource's CORS spec.",
    ),
    "AuthorizationQueryParametersError": (400, "Error parsing the X-Amz-Credential parameter"),
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "BadRequest": (400, "An error occurred when parsing the HTTP request."),
    "BucketAlreadyExists": (
        409,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again.",
    ),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "ConditionalRequestConflict": (
        409,
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "ExpiredToken": (400, "The provided token has expired."),
    "IllegalLocationConstraintException": (
        400,
        "The unspecified location constraint is incompatible for the region specific endpoint this request was "
        "sent to.",
    ),
    "IllegalVersioningConfigurationException": (400, "The Versioning element must be specified"),
    "IncompleteBody": (
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    ),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidAccessKeyId": (403, "The AWS Access Key Id you provided does not exist in our records."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketAclWithBlockPublicAccessError": (
        400,
        "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
    ),
    "InvalidBucketAclWithObjectOwnership": (
        400,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidBucketState": (409, "The request is not valid with the current state of the bucket."),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidEncryptionAlgorithmError": (400, "The encryption request that you specified is not valid."),
    "InvalidLocationConstraint": (400, "The specified location-constraint is not valid"),
    "InvalidObjectState": (403, "The operation is not valid for the object's storage class"),
    "InvalidPart": (
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
        "specified entity tag may not match the part's entity tag.",
    ),
    "InvalidPartNumber": (416, "The requested partnumber is not satisfiable"),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidPolicyDocument": (
        400,
        "The content of the form does not meet the conditions specified in the policy document.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRedirectLocation": (
        400,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    ),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidTargetBucketForLogging": (400, "The target bucket for logging does not exist"),
    "InvalidToken": (400, "The provided token is malformed or otherwise invalid."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedACLError": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MalformedPOSTRequest": (400, "The body of your POST request is not well-formed multipart/form-data."),
    "MalformedPolicy": (400, "Policies must be valid JSON and the first byte must be '{'"),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MaxPostPreDataLengthExceeded": (
        400,
        "Your POST request fields preceding the upload file were too large.",
    ),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingRequestBodyError": (400, "Request Body is empty"),
    "ObjectNotInActiveTierError": (
        403,
        "The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.",
    ),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "MissingSecurityHeader": (400, "Your request was missing a required header"),
    "UnexpectedContent": (400, "This request does not support content"),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchConfiguration": (404, "The specified configuration does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchObjectLockConfiguration": (404, "The specified object does not have a ObjectLock configuration"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
        "or completed.",
    ),
    "NoSuchVersion": (404, "The specified version does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented"),
    "NotModified": (304, "Not Modified"),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "OperationAborted": (
        409,
        "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    ),
    "OwnershipControlsNotFoundError": (404, "The bucket ownership controls were not found"),
    "PermanentRedirect": (
        301,
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
    ),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    "SlowDown": (503, "Please reduce your request rate."),
    "TooManyConfigurations": (
        400,
        "You are attempting to create a new configuration but have already reached the limit.",
    ),
    "TooManyBuckets": (400, "You have attempted to create more buckets than allowed"),
    "CastFailed": (400, "Attempt to convert from one data type to another using CAST failed in the SQL expression."),
    "CSVParsingError": (400, "Encountered an error parsing the CSV file. Check the file and try again."),
    "CrossLocationLoggingProhibited": (403, "Cross S3 location logging not allowed."),
    "DivideByZero": (400, "Attempt to divide by zero in the SQL expression."),
    "ExpressionTooLong": (
        400,
        "The SQL expression is too long. The maximum byte-length for an SQL expression is 256 KB.",
    ),
    "InvalidCompressionFormat": (
        400,
        "The file is not in a supported compression format. Only GZIP and BZIP2 are supported.",
    ),
    "InvalidConfigurationId": (400, "The specified configuration ID is invalid."),
    "InvalidDataType": (400, "The SQL expression contains an invalid data type."),
    "InvalidExpressionType": (400, "The ExpressionType is not valid. Only SQL expressions are supported."),
    "InvalidFileHeaderInfo": (400, "The FileHeaderInfo is not valid. Only NONE, USE, and IGNORE are supported."),
    "InvalidJsonType": (400, "The JsonType is not valid. Only DOCUMENT and LINES are supported."),
    "InvalidQuoteFields": (400, "The QuoteFields is not valid. Only ALWAYS and ASNEEDED are supported."),
    "InvalidRequestParameter": (400, "The value of a parameter in the SelectRequest element is not valid."),
    "InvalidTextEncoding": (400, "Invalid encoding type. Only UTF-8 encoding is supported."),
    "JSONParsingError": (400, "Encountered an error parsing the JSON file. Check the file and try again."),
    "MissingRequiredParameter": (400, "The SelectRequest entity is missing a required parameter."),
    "OverMaxRecordSize": (
        400,
        "The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.",
    ),
    "ParseSelectMissingFrom": (400, "Missing FROM after SELECT list."),
    "ParseUnexpectedToken": (400, "The SQL expression contains an unexpected token."),
    "TruncatedInput": (
        400,
        "Object decompression failed. Check that the object is properly compressed using the format "
        "specified in the request.",
    ),
    "UnsupportedFunction": (400, "Encountered an unsupported SQL function."),
    "UnsupportedSyntax": (400, "Encountered syntax that is not supported."),
    "XAmzContentSHA256Mismatch": (
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
}


def refusal(code: str, text: str = "", *, headers: Mapping[str, str] | None = None, **members: object) -> MaruError:
    """The error `code` of S3, with its own text unless `text` is given; members: further elements (BucketName, Key)."""
    status, usual = _TEXTS[code]
    kind = (
        AlreadyExists if code in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou") else _CLASSES.get(status, Invalid)
    )
    error = kind(what=text or usual, why="", code=code, status=status, members=members)
    if headers:
        error.details["headers"] = dict(headers)
    return error


def bad_argument(text: str, name: str, value: object) -> MaruError:
    """InvalidArgument, with the argument's name and value."""
    return refusal("InvalidArgument", text, ArgumentName=name, ArgumentValue=str(value))


def code_of(error: MaruError) -> str:
    """The S3 code of an error that was raised here or by a service asked."""
    return str(error.details.get("code", "InternalError"))
