"""The sockets: the server's, and those to resolvers outside."""
