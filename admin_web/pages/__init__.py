"""The pages: each module has a blueprint named `pages`, which the app finds by itself."""
