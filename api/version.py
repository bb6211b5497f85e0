"""The product's version, named by `/readyz`, the API's schema and `./run --version`.

It stands only here, and a release's tag has to agree with it. CONTRIBUTING.md says when it changes.
"""

VERSION = "0.2.0.dev0"

USER_AGENT = f"allucanget/{VERSION}"
"""The user agent of our HTTP clients."""
