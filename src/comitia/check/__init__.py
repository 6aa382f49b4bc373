"""Every order of events, exhaustively."""
