"""DNS messages: questions read, answers written, and time to live counted down in place.

Names are in wire form without compression, lower case, ending with the root's zero byte, wherever a
value says "name". Source: RFC 1035, RFC 6891 (EDNS), RFC 2308 (negative answers).
"""
