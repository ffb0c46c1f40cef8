"""The registry: the OCI distribution API on port 5000, over the content that images are made of.

It stands in for the `registry` image of distribution. docker push and pull, Pods and any OCI client
prove it. It asks for no credentials (it listens where the site does, loopback by default), and it
mirrors nobody.
"""
