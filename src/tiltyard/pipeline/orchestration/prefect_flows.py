"""Use cases as Prefect flows, their steps as tasks. Prefect is imported here alone, and only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import httpx

from tiltyard.errors import MissingExtraError, UnavailableError
from tiltyard.pipeline.orchestration.runner import FlowKind, Runner
from tiltyard.project import Project
from tiltyard.redact import without_password

Result = TypeVar("Result")

# Steps that leave nothing behind when they fail: Prefect may try them again where something was away.
REPEATABLE = frozenset(
    {"load-data", "split-data", "validate-data", "train-model", "evaluate-model", "take-look", "watch-champion"}
)
RETRIES = 2
RETRY_SECONDS = 5.0
PROBE_SECONDS = 10.0


class PrefectRunner:
    """Runs each step as a task of the flow that is running; outside of a flow, in this process alone.

    Args:
        inner: shows the steps in the terminal too.
        retry_seconds: how long Prefect waits before it tries a step again whose service was away.
    """

    def __init__(self, inner: Runner, retry_seconds: float = RETRY_SECONDS) -> None:
        self._inner, self._retry_seconds = inner, retry_seconds

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run one step; see ``Runner.run``. A step that is repeatable runs again where something was away."""
        if not _in_flow():
            return self._inner.run(name, step, note)
        from prefect import get_run_logger, task  # noqa: PLC0415
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

        def work() -> Result:
            result = self._inner.run(name, step, note)
            get_run_logger().info("%s", note(result))
            return result

        repeat = name in REPEATABLE
        wrapped = task(
            name=name,
            task_run_name=name,
            retries=RETRIES if repeat else 0,
            retry_delay_seconds=self._retry_seconds,
            retry_condition_fn=_was_away,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(work)
        return cast(Result, wrapped())

    def say(self, text: str) -> None:
        """Tell the terminal, and the log of the step that is running."""
        self._inner.say(text)
        if _in_flow():
            from prefect import get_run_logger  # noqa: PLC0415

            get_run_logger().info("%s", text)


class PrefectFlows:
    """Runs use cases as flows ``PROJECT-training``, ``PROJECT-monitoring`` and ``PROJECT-response``.

    Args:
        project: the project.
        api_url: address of the Prefect server's API.
        inner: shows the steps in the terminal too.
        retry_seconds: how long Prefect waits before it tries a step again whose service was away.

    Raises:
        MissingExtraError: Prefect is not installed.
    """

    def __init__(self, project: Project, api_url: str, inner: Runner, retry_seconds: float = RETRY_SECONDS) -> None:
        require_prefect()
        self._project, self._api_url = project, api_url
        self._runner = PrefectRunner(inner, retry_seconds)

    @property
    def runner(self) -> Runner:
        """Runs steps as tasks."""
        return self._runner

    def run(self, kind: FlowKind, work: Callable[[], Result], describe: Callable[[Result], str]) -> Result:
        """Run one use case as a flow; what came out is an artifact of it.

        Raises:
            UnavailableError: the Prefect server cannot be reached; nothing was done.
        """
        name = flow_name(self._project, kind)
        if _in_flow():
            # A deployment has begun the flow of this use case already.
            result = work()
            _leave_artifact(name, describe(result))
            return result
        check_prefect(self._api_url)
        from prefect import flow  # noqa: PLC0415

        def whole() -> Result:
            result = work()
            _leave_artifact(name, describe(result))
            return result

        with at(self._api_url):
            return cast(Result, flow(name=name, persist_result=False, validate_parameters=False)(whole)())


def flow_name(project: Project, kind: FlowKind) -> str:
    """What a use case's flow is called: ``sentiment-training``."""
    return f"{project.name}-{kind}"


def require_prefect() -> None:
    """Make sure that Prefect is installed.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import prefect  # noqa: F401, PLC0415 - imported when first used
    except ModuleNotFoundError:
        raise MissingExtraError("Orchestration by Prefect (PREFECT_API_URL is set)", "prefect") from None


def check_prefect(api_url: str) -> None:
    """Make sure that the Prefect server responds.

    Raises:
        UnavailableError: it does not.
    """
    try:
        response = httpx.get(f"{api_url.rstrip('/')}/health", timeout=PROBE_SECONDS)
        healthy = response.is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        healthy = False
    if not healthy:
        raise UnavailableError(
            f"The Prefect server at {without_password(api_url)} does not respond.",
            next_step="Start it (prefect server start), correct PREFECT_API_URL, or unset it to run without Prefect.",
            code="prefect.away",
        )


def at(api_url: str) -> AbstractContextManager[Any]:
    """Let Prefect speak to this server while the block lasts, whatever its profile says."""
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    return cast(AbstractContextManager[Any], temporary_settings(updates={PREFECT_API_URL: api_url}))


def _in_flow() -> bool:
    from prefect.context import FlowRunContext, TaskRunContext  # noqa: PLC0415

    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def _was_away(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a task failed because something was away: then, and only then, it is worth another try."""
    failure = getattr(state, "data", None)
    found = getattr(failure, "result", failure)
    return isinstance(found, UnavailableError)


def _leave_artifact(key: str, text: str) -> None:
    from prefect.artifacts import create_markdown_artifact  # noqa: PLC0415

    # Prefect takes lower-case letters, digits and dashes.
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in key.lower())
    create_markdown_artifact(markdown=text, key=plain)
