"""Other people's ways to ask: what their requests mean here, and how answers look to them. No HTTP, no state."""
