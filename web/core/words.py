"""Numbers as people say them."""


def in_words(size: float) -> str:
    """Bytes as people say them: `63 MB`."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000:
            whole = amount >= 10 or unit == "bytes"
            return f"{amount:.0f} {unit}" if whole else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
