"""The JWT bearer grant (RFC 7523): a signed statement instead of a secret."""

from __future__ import annotations


def subject(assertion: str, key: str, *, audience: str, now: int) -> str | None:
    """The user whom a JWT names, if `key` (a public key in PEM) has signed it for this OAuth client; otherwise None.

    An instance wants `iss` and `aud` to be the client's id, and `exp` and `iat` (seconds since 1970) to be later and
    earlier than its own time, which here is the sandbox's.
    """
    import jwt  # noqa: PLC0415 - brings a whole library of cryptography along, for a grant that is seldom asked for

    if not key:
        return None
    needed = ["iss", "sub", "aud", "exp", "iat"]
    try:
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["RS256", "ES256"],
            audience=audience,
            issuer=audience,
            options={"require": needed, "verify_exp": False, "verify_iat": False},
        )
        fresh = int(claims["iat"]) <= now < int(claims["exp"])
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return str(claims["sub"]) if fresh else None
