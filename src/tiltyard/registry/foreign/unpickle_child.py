"""The process that opens a pickle: it gives up network, files and time first, then opens it once and writes it anew.

``unpickling`` runs it as a file, in a separate interpreter. Until the barriers stand it imports the standard library
alone. What it writes is read like any other file of a stranger: a pickle can make it write anything.

Barriers, as far as the system has them: a network namespace without any interface; seccomp, which refuses sockets,
other programs, signals to others and their memory; Landlock, which lets it write into its own folder only; limits on
memory, time, files and core dumps. Without a barrier to the network nothing is opened.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import struct
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1  # EPERM
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32 = 0x40000000

# By machine: the number of its calling convention, then those of the calls that are refused: socket, socketpair,
# execve, execveat, kill, tkill, tgkill, pidfd_send_signal, ptrace, process_vm_readv, process_vm_writev, setsid,
# setpgid, io_uring_setup. (Linux: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.)
_CALLS = {
    "x86_64": (0xC000003E, (41, 53, 59, 322, 62, 200, 234, 424, 101, 310, 311, 112, 109, 425)),
    "aarch64": (0xC00000B7, (198, 199, 221, 281, 129, 130, 131, 424, 117, 270, 271, 157, 154, 425)),
}

# Landlock, version 1 (include/uapi/linux/landlock.h): all rights that change something.
_CREATE_RULESET, _ADD_RULE, _RESTRICT = 444, 445, 446
_WRITE_FILE, _CHANGES = 1 << 1, 0x1FF2
_TRUNCATE, _FROM_VERSION_3 = 1 << 14, 3


def raise_barriers(folder: Path, memory: int, seconds: int) -> list[str]:
    """Give up what opening a file does not need; returns the barriers that stand."""
    stand = []
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWNET) == 0:
            stand.append("network namespace")
        if _restrict_writing(libc, folder):
            stand.append("landlock")
        if _refuse_calls(libc):
            stand.append("seccomp")
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(limit)
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(limit, (least, least))
    return stand


def _refuse_calls(libc: Any) -> bool:
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    convention, calls = known
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, convention), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for call in calls:
        program += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) == 0)


def _restrict_writing(libc: Any, folder: Path) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    changes = _CHANGES | (_TRUNCATE if version >= _FROM_VERSION_3 else 0)
    handled = ctypes.create_string_buffer(struct.pack("=Q", changes))
    rules = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    for path, rights in ((str(folder), changes), (os.devnull, _WRITE_FILE)):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, opened))
        added = libc.syscall(_ADD_RULE, rules, 1, rule, 0)
        os.close(opened)
        if added != 0:
            return False
    stands = libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(stands)


def open_pickle(source: Path, target: Path) -> dict[str, Any]:
    """Open the pickle and write what it holds in the skops format; returns what happened."""
    import joblib  # noqa: PLC0415 - after the barriers
    from skops.io.exceptions import UnsupportedTypeException  # noqa: PLC0415

    from tiltyard.registry.foreign.searches import take_best_estimator  # noqa: PLC0415
    from tiltyard.registry.package.skops_file import write_model  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model = take_best_estimator(joblib.load(source))
    fitted = {
        getattr(one.message, "original_sklearn_version", None)
        for one in seen
        if type(one.message).__name__ == "InconsistentVersionWarning"
    } - {None}
    found: dict[str, Any] = {"kind": _describe_kind(model), "fitted_with": sorted(map(str, fitted))}
    if not hasattr(model, "predict") and not hasattr(model, "get_params"):
        return {**found, "problem": "no-model"}
    try:
        write_model(model, target)
    except UnsupportedTypeException as error:
        return {**found, "problem": "unsupported", "why": str(error)}
    return found


def _describe_kind(held: Any) -> str:
    kind = f"{type(held).__module__}.{type(held).__qualname__}"
    if isinstance(held, dict):
        return f"dict with the keys {', '.join(map(str, list(held)[:8]))}"
    return f"{kind} of {len(held)}" if isinstance(held, list | tuple) else kind


def main() -> None:
    """Open the file named first, and write ``result.json`` and ``model.skops`` into the folder named second."""
    source, folder, packages, memory, seconds = sys.argv[1:6]
    home = Path(folder)
    stand = raise_barriers(home, int(memory), int(seconds))
    result: dict[str, Any] = {"barriers": stand}
    if not {"network namespace", "seccomp"} & {*stand}:
        result["problem"] = "no-barrier"
    else:
        if packages not in sys.path:
            sys.path.append(packages)
        try:
            result |= open_pickle(Path(source), home / "model.skops")
        except ModuleNotFoundError as error:
            result |= {"problem": "missing-module", "why": str(error.name or error)}
        except MemoryError:
            result["problem"] = "memory"
        except BaseException as error:  # noqa: BLE001 - a pickle may raise anything
            said = f": {error}" if str(error) else ", as if its end were missing" if isinstance(error, EOFError) else ""
            result |= {"problem": "failed", "why": f"{type(error).__name__}{said}"[:500]}
            traceback.print_exc()
    (home / "result.json").write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # what the pickle left behind (threads, exit handlers) does not run on


if __name__ == "__main__":
    main()
