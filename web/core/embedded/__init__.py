"""The embedded stack: every server of the portal on one machine, under one supervisor.

`manage.py up` is `up.py`; the tests start the same servers through `servers.py`. Nothing
here imports Django: the supervisor must stay small and outlive a broken setting.
"""


class CannotStart(Exception):
    """Something a person can mend keeps the stack from starting; the message says what."""
