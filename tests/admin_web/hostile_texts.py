"""Texts that would run as script if a page did not escape them. Each calls `hit()` in its own
way."""

ATTACKS = [
    "<script>hit()</script>",
    '"><img src=x onerror=hit()>',
    "'><svg/onload=hit()>",
    "</textarea><script>hit()</script>",
    "</title><script>hit()</script>",
    "{{ 7 * 7 }}${hit()}<%= hit() %>",
    "<a href=javascript:hit()>x</a>",
    "<iframe srcdoc='<script>parent.hit()</script>'></iframe>",
    "<style>*{display:none}</style>",
    '" autofocus onfocus=hit() x="',
    "<details open ontoggle=hit()>",
    "--><script>hit()</script><!--",
]
