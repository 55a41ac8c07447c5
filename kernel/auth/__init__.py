"""Who is asking: access tokens checked here, in each room, without a call to anyone (RFC 9068, OpenID Connect)."""
