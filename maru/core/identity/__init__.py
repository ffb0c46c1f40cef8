"""Identity: certificates, tokens, who a request comes from, what roles allow, what was done.

Pure rules and small keepers of key files; `components/access` puts them together.
"""
