import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify` of httpx clients that speak plain HTTP on this machine: it reads no certificates, which
takes longer than the call."""
