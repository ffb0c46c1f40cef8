"""One loop each: approve, sign, clean up, publish the CA bundle."""
