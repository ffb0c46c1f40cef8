"""The Lumberjack protocol, version 2, as Filebeat and its kin speak it; version 1's data frames are read, too.

Source: the protocol's description in the logstash-forwarder tree (PROTOCOL.md); go-lumber.
"""
