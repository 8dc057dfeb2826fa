"""What apps above this one may have a say in."""

from django.dispatch import Signal

# Sent with `base` in the transaction that deletes it, before anything is gone. A
# receiver raises `Conflict` to forbid it, or deletes what it keeps for the base voice.
base_voice_deleting = Signal()
