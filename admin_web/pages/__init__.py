"""The pages: each module has a blueprint named `pages`, which `admin_web.app` lists."""
