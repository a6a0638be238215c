"""Raw clients: they send any bytes, and believe nothing that comes back."""

from holdfast_attack.link.reply import Reply
from holdfast_attack.link.session import Gone, Session
from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.link.transcript import Transcript

__all__ = ["Gone", "Heard", "Reply", "Session", "StdioSession", "Transcript"]
