"""E-mail addresses as a mail server takes them."""

from email_validator import validate_email


def plain_address(address: str) -> str:
    """Return one bare address in ASCII, its domain as the mail system writes it. Raises
    `ValueError`."""
    checked = validate_email(
        address, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False
    )
    return checked.ascii_email or checked.normalized


def mailbox(address: str) -> str:
    """Return one bare address whose part before the @ may have any letters; only servers that offer
    SMTPUTF8 take such a one. Raises `ValueError`."""
    checked = validate_email(address, check_deliverability=False, globally_deliverable=False)
    return checked.ascii_email or f"{checked.local_part}@{checked.ascii_domain}"
