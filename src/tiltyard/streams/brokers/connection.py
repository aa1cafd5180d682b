"""What the adapters of all brokers share: where a broker is, and the error that says what is wrong with it."""

from __future__ import annotations

import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from tiltyard.errors import TiltyardError, UnavailableError, UsageError
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.library import require_library

Errors = tuple[type[Exception], ...]


class BrokerConnection(ABC):
    """A connection to the broker of a stream; it does not reconnect by itself.

    What was in hand when it was lost has to be forgotten first, which its owner does.

    Args:
        address: the stream.
    """

    check = "Check that it runs, and its address."
    """What to do about a broker that does not respond."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address

    @abstractmethod
    async def open(self) -> None:
        """Connect, with the library of the broker, which is installed; raises as ``Source.open``."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect; closing twice is a no-op. Never raises."""

    @abstractmethod
    def refusals(self) -> Errors:
        """The library's errors by which the broker refuses the user."""

    @abstractmethod
    def failures(self) -> Errors:
        """The library's other errors; those of sockets and time limits are known."""

    def rejections(self) -> Errors:
        """Those of the other errors by which a broker that responds takes nothing, such as for want of memory."""
        return ()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Make errors of the library the ones that the port names."""
        refusals, rejections = self.refusals(), self.rejections()
        failures: Errors = (*self.failures(), OSError, TimeoutError)
        try:
            yield
        except refusals as error:
            raise self.make_refusal(type(error).__name__) from None
        except rejections as error:
            raise self.make_rejection(_describe(error)) from None
        except failures as error:
            raise self.explain(error) from None

    def explain(self, error: Exception) -> TiltyardError:
        """What an error of the connection means: a certificate that is not trusted, or a broker that is away."""
        untrusted = _find_certificate_error(error)
        return self.away(_describe(error)) if untrusted is None else self.distrust(untrusted.verify_message)

    def away(self, why: str = "the connection is closed") -> UnavailableError:
        """The broker cannot be reached."""
        return UnavailableError(f"{self._where} does not respond: {why}.", next_step=self.check, code="stream.away")

    def make_rejection(self, why: str) -> UnavailableError:
        """The broker responds, and takes nothing now."""
        return UnavailableError(
            f"{self._where} takes no messages: {why}.",
            next_step="Read its log: its memory, its disk or the length of the stream may be at their limit.",
            code="stream.full",
        )

    def make_refusal(self, why: str) -> UsageError:
        """The broker does not let the user in."""
        kind = self.address.kind
        example = f"{kind.scheme}://USER:${{PASSWORD}}@HOST:{kind.port}/{kind.stream.upper()}"
        return UsageError(
            f"{self._where} refuses the user: {why}.",
            next_step=f"Write {example}, and set PASSWORD in the environment.",
            code="stream.refused",
        )

    def distrust(self, why: str) -> UsageError:
        """The certificate of the broker is not trusted."""
        return UsageError(
            f"The certificate of {self._where} is not trusted: {why}.",
            next_step="Name the file of its authority with ?ca=ca.pem, and write the host as the certificate does.",
            code="stream.certificate",
        )

    def missing(self, next_step: str) -> UsageError:
        """The stream does not exist."""
        return UsageError(
            f"{self._where} has no {self.address.kind.stream} '{self.address.name}'.",
            next_step=next_step,
            code="stream.missing",
        )

    def make_tls(self) -> ssl.SSLContext | None:
        """How the connection is encrypted; None where it is not."""
        if not self.address.kind.tls:
            return None
        return ssl.create_default_context(cafile=self.address.options.get("ca"))

    @property
    def _where(self) -> str:
        return f"{self.address.kind.title} at {self.address.shown}"


ConnectionT = TypeVar("ConnectionT", bound=BrokerConnection)


class Connected(Generic[ConnectionT]):
    """A source or a target that is open as long as its connection is.

    Args:
        connection: the connection.
    """

    def __init__(self, connection: ConnectionT) -> None:
        self._connection = connection

    async def open(self) -> None:
        """See ``Source.open`` and ``ResultTarget.open``."""
        require_library(self._connection.address)
        await self._connection.open()

    async def close(self) -> None:
        """See ``Source.close`` and ``ResultTarget.close``."""
        await self._connection.close()


def _find_certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The error of a certificate that is behind an error; libraries wrap it."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, ssl.SSLCertVerificationError):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None


def _describe(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
