"""The product's version: the API's schema, `/readyz`, `./run --version` and our HTTP clients name it.

It stands only here. CONTRIBUTING.md says when it changes.
"""

VERSION = "0.2.0.dev0"
