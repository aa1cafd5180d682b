"""Candidates of the user's own: ``module:maker``, imported from the project's folder."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sklearn.pipeline import Pipeline

from tiltyard.errors import UsageError
from tiltyard.models.boosters.library_estimators import replace_boosters
from tiltyard.models.recipes.task_part import TaskModels, name_last_step
from tiltyard.models.search_space import Space, parse_space
from tiltyard.suggest import nearest
from tiltyard.tasks import Task

_MARK = "__tiltyard_project__"


def is_custom(name: str) -> bool:
    """Whether a candidate's name means code of the user's own."""
    return ":" in name


def custom_builder(name: str, root: Path | None, task: Task) -> Callable[[int], Pipeline]:
    """What builds the pipeline of ``module:maker`` from a random seed.

    The maker is called with ``random_state`` if it takes that, else without arguments. It returns an estimator or a
    pipeline; a single estimator becomes a pipeline of one step, and scores without probabilities are calibrated.
    It is called once here, so that what is wrong is known before any work is done.

    Args:
        name: ``module:maker``, where ``module`` may have dots and stands in the project's folder or is installed.
        root: the project's folder; default: the working folder.
        task: what it has to predict from what.

    Raises:
        UsageError: the module or the maker is missing or fails, or what it returns is not a classifier (a regressor).
    """
    folder = (root or Path()).resolve()
    maker = _find_maker(name, folder)

    def build(random_state: int) -> Pipeline:
        with on_import_path(folder):
            return _wrap_in_pipeline(name, _call_maker(name, maker, random_state), TaskModels.find_for(task))

    build(0)
    return build


def custom_space(name: str, root: Path | None, build: Callable[[int], Pipeline]) -> Space:
    """What a search may vary in a custom recipe: ``MAKER_space`` next to the maker; empty without one.

    It is a mapping, or a function without arguments that returns one: from a parameter of what the maker returns to a
    `FloatRange`, `IntegerRange` or `Choice`. A list or tuple of values is a choice.

    Args:
        name: ``module:maker``.
        root: the project's folder; default: the working folder.
        build: what ``custom_builder`` gave for it.

    Returns:
        The space by parameters of the pipeline that ``build`` makes.

    Raises:
        UsageError: the space cannot be used.
    """
    module_name, _, attribute = name.partition(":")
    declared = getattr(_import_module(name, module_name, (root or Path()).resolve()), f"{attribute}_space", None)
    if declared is None:
        return {}
    return parse_space(f"{attribute}_space", declared, build(0))


def custom_source(name: str, root: Path | None) -> Path | None:
    """The file that a user's recipe is defined in; None for a built-in recipe, or where there is no file."""
    if not is_custom(name):
        return None
    module_name = name.partition(":")[0]
    found = getattr(_import_module(name, module_name, (root or Path()).resolve()), "__file__", None)
    return Path(found) if found else None


def _find_maker(name: str, root: Path) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not attribute.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(
            f"The candidate '{name}' is neither a built-in name nor 'module:maker'.",
            next_step="Write it as my_module:make_estimator, for def make_estimator() in my_module.py.",
            code="candidate.name",
        )
    module = _import_module(name, module_name, root)
    maker = getattr(module, attribute, None)
    if maker is None:
        known = [known for known, value in vars(module).items() if callable(value) and not known.startswith("_")]
        raise UsageError(
            f"There is no '{attribute}' in {_locate_module(module)}, which the candidate '{name}' names."
            f"{nearest(attribute, known)}",
            next_step=f"Define {attribute} there: a function that returns a scikit-learn classifier.",
            code="candidate.maker-missing",
        )
    if not callable(maker):
        raise UsageError(
            f"'{attribute}' in {_locate_module(module)} is a {type(maker).__name__}, not a function that makes an "
            "estimator.",
            next_step=f"Make it a function: def {attribute}(): return ...",
            code="candidate.maker-not-callable",
        )
    return maker  # type: ignore[no-any-return]


def _import_module(name: str, module_name: str, root: Path) -> ModuleType:
    _forget_other_project(module_name, root)
    try:
        with on_import_path(root):
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise UsageError(
                f"There is no module '{module_name}' in {root}, which the candidate '{name}' names.",
                next_step=f"Put {module_name.replace('.', '/')}.py into the project's folder, or install the package.",
                code="candidate.module-missing",
            ) from None
        raise _import_error(name, module_name, error) from error
    except Exception as error:
        raise _import_error(name, module_name, error) from error
    _refuse_clash(name, module, root)
    return module


@contextmanager
def on_import_path(root: Path) -> Iterator[None]:
    """A context in which modules of the project's folder can be imported."""
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))


def _forget_other_project(module_name: str, root: Path) -> None:
    """Import anew what an earlier call brought from another project's folder."""
    for known, module in list(sys.modules.items()):
        of = getattr(module, _MARK, None)
        if of is not None and of != str(root) and known.split(".")[0] == module_name.split(".", maxsplit=1)[0]:
            del sys.modules[known]


def _refuse_clash(name: str, module: ModuleType, root: Path) -> None:
    """A module of the project's folder may not be hidden by one of the same name that was already imported."""
    wanted = root.joinpath(*module.__name__.split("."))
    files = [file for file in (wanted.with_suffix(".py"), wanted / "__init__.py") if file.exists()]
    found = getattr(module, "__file__", None)
    if files and (found is None or Path(found).resolve() not in [file.resolve() for file in files]):
        raise UsageError(
            f"The module of the candidate '{name}' has the name of another one, {_locate_module(module)}.",
            next_step=f"Rename {files[0]}.",
            code="candidate.module-clash",
        )
    if files:
        setattr(module, _MARK, str(root))


def _call_maker(name: str, maker: Callable[..., Any], random_state: int) -> Any:
    try:
        takes_seed = "random_state" in inspect.signature(maker).parameters
    except (TypeError, ValueError):
        takes_seed = False
    try:
        return maker(random_state=random_state) if takes_seed else maker()
    except Exception as error:
        raise UsageError(
            f"The maker of the candidate '{name}' failed: {_describe_error(error)}.",
            next_step="Correct it; it is called with random_state if it takes that, else without arguments.",
            code="candidate.maker-failed",
        ) from error


def _wrap_in_pipeline(name: str, made: Any, of_task: TaskModels) -> Pipeline:
    if isinstance(made, type) or not all(hasattr(made, method) for method in ("fit", "get_params", "predict")):
        raise UsageError(
            f"The maker of the candidate '{name}' returned {_describe_type(made)}, which is not a scikit-learn "
            f"{of_task.noun} (fit, predict, get_params).",
            next_step=f"Return an unfitted {of_task.noun}, or a Pipeline that ends in one.",
            code="candidate.not-an-estimator",
        )
    if not of_task.is_made_for(made):
        raise UsageError(
            f"The maker of the candidate '{name}' returned {_describe_type(made)}, which does not predict "
            f"{of_task.predicted}, as the project's task does.",
            next_step=f"Return a {of_task.noun}, or change project.task.",
            code="candidate.other-target",
        )
    try:
        return name_last_step(of_task.complete(replace_boosters(made)), of_task.noun)
    except ValueError as error:
        raise UsageError(
            f"The maker of the candidate '{name}' returned {_describe_type(made)}, which {error}.",
            next_step=f"Return a {of_task.noun} that has one of them.",
            code="candidate.no-probabilities",
        ) from None


def _import_error(name: str, module_name: str, error: Exception) -> UsageError:
    return UsageError(
        f"The module '{module_name}' of the candidate '{name}' cannot be imported: {_describe_error(error)}.",
        next_step="Correct it, or install what it needs.",
        code="candidate.module-broken",
    )


def _describe_error(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + lines[0].rstrip('.') if lines else ''}"


def _describe_type(made: Any) -> str:
    return f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"


def _locate_module(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or f"the module '{module.__name__}'")
