"""When a connection reads from its client."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl


class HeldFlow(FlowControl):
    """uvicorn's control of the flow; while bytes wait to be parsed, reading an earlier body does not bring more."""

    _holds = False

    def hold(self) -> None:
        """Read nothing, whatever an application reads."""
        self._holds = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self._holds = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, if nothing waits."""
        if not self._holds:
            super().resume_reading()
