"""Sentences for people, made from the API's reasons: once for every client, once per language."""
