"""The command lines of the three programs that run in a serf: arguments in, one call, exit status out."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serflab.errors import InputError, SerflabError
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.traces.check import load_config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from serflab.traces.model import EmulationConfig

    Work = Callable[[argparse.Namespace, EmulationConfig, ApiClient, asyncio.Event], Awaitable[None]]

_log = logging.getLogger("serflab")

_STATUSES: Final = "exit status: 0 all right, 1 something failed, 2 bad usage or input"


def create_main(arguments: Sequence[str], script: str) -> int:
    """Run `create_resources.py`."""
    parser = _parser(
        "create_resources.py", "Create the namespaces, nodes and pods of a config in a serf, or repair them."
    )
    parser.add_argument("--delete", action="store_true", help="remove exactly what was made from this config instead")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and do nothing")
    parser.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True, help="wait until all pods run (or are gone)"
    )
    parser.add_argument(
        "--timeout", type=_positive, default=120.0, metavar="SECONDS", help="how long to wait (%(default)g)"
    )
    parser.add_argument(
        "--limit", type=_count, default=16, metavar="N", help="requests in flight at once (%(default)d)"
    )
    parser.add_argument(
        "--cpu-request",
        choices=("mean", "max", "p95", "none"),
        default="mean",
        help="what a pod requests of its CPU series (%(default)s)",
    )
    parser.add_argument(
        "--memory-request",
        choices=("max", "mean", "none"),
        default="max",
        help="what a pod requests of its memory series (%(default)s)",
    )
    return _run(parser, arguments, script, _create)


def replay_main(arguments: Sequence[str], script: str) -> int:
    """Run `replay_metrics.py`."""
    parser = _parser("replay_metrics.py", "Play the time series of a config onto the annotations of a serf's pods.")
    parser.add_argument(
        "--interval",
        type=_positive,
        default=5.0,
        metavar="SECONDS",
        help="one point is played every so often (%(default)g)",
    )
    parser.add_argument("--loop", action="store_true", help="start over at the end (without it the last point stays)")
    parser.add_argument(
        "--phase", type=_phase, default=0, metavar="N", help="start N points into the series (%(default)d)"
    )
    parser.add_argument(
        "--max-concurrent", type=_count, default=3, metavar="N", help="batches in flight at once (%(default)d)"
    )
    parser.add_argument(
        "--batch-size", type=_count, default=20, metavar="N", help="pods of a batch, sent one by one (%(default)d)"
    )
    parser.add_argument(
        "--mode",
        choices=("annotations", "clock"),
        default="annotations",
        help="clock: write no annotations, the exporter computes the values from trace and clock (%(default)s)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="start the clock anew instead of going on where it stopped"
    )
    return _run(parser, arguments, script, _replay)


def expose_main(arguments: Sequence[str], script: str) -> int:
    """Run `expose_metrics.py`."""
    parser = _parser("expose_metrics.py", "Serve what the pods of a serf use as Prometheus metrics.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=9090, help="port to listen on (%(default)d)")
    parser.add_argument(
        "--update-interval",
        type=_positive,
        default=2.0,
        metavar="SECONDS",
        help="the metrics are renewed at most every so often (%(default)g)",
    )
    return _run(parser, arguments, script, _expose)


async def _create(
    arguments: argparse.Namespace, config: EmulationConfig, client: ApiClient, stop: asyncio.Event
) -> None:
    from serflab.emulation.create import CreateOptions, create  # noqa: PLC0415 - each program loads its own part only
    from serflab.emulation.objects import RequestPolicy  # noqa: PLC0415
    from serflab.emulation.remove import remove  # noqa: PLC0415

    options = CreateOptions(
        requests=RequestPolicy(cpu=arguments.cpu_request, memory=arguments.memory_request),
        limit=arguments.limit,
        wait=arguments.wait,
        timeout=arguments.timeout,
        dry_run=arguments.dry_run,
    )
    work: Awaitable[object] = (remove if arguments.delete else create)(client, config, options)
    if not await _until(stop, work):
        raise SerflabError("stopped before it was done", hint="run it again: it goes on where it stopped")


async def _replay(
    arguments: argparse.Namespace, config: EmulationConfig, client: ApiClient, stop: asyncio.Event
) -> None:
    from serflab.emulation.replay import Replay, ReplayOptions  # noqa: PLC0415

    options = ReplayOptions(
        interval=arguments.interval,
        loop=arguments.loop,
        phase=arguments.phase,
        mode=arguments.mode,
        max_concurrent=arguments.max_concurrent,
        batch_size=arguments.batch_size,
        restart=arguments.restart,
    )
    await Replay(client, config, options).run(stop)


async def _expose(
    arguments: argparse.Namespace, config: EmulationConfig, client: ApiClient, stop: asyncio.Event
) -> None:
    from serflab.emulation.expose import Exporter, serve  # noqa: PLC0415

    exporter = Exporter(client, config, update_interval=arguments.update_interval)
    await _until(stop, serve(exporter, arguments.host, arguments.port))


def _parser(program: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description, epilog=_STATUSES, allow_abbrev=False)
    parser.add_argument(
        "--config",
        default="emulation_config.json",
        metavar="FILE",
        help="the emulation config; a relative path is looked for here, then beside the program (%(default)s)",
    )
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="of the serf; otherwise $KUBECONFIG, ~/.kube/config, the pod's account"
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="on stderr (%(default)s)"
    )
    return parser


def _run(parser: argparse.ArgumentParser, arguments: Sequence[str], script: str, work: Work) -> int:
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as usage:
        return int(usage.code or 0)
    _log_to_stderr(parsed.log_level)
    try:
        config = load_config(_find(parsed.config, script))
        return asyncio.run(_with_client(parsed, config, work))
    except InputError as error:
        _log.error("%s", error)
        return error.exit_status
    except SerflabError as error:
        _log.error("%s", error)
        return error.exit_status


async def _with_client(arguments: argparse.Namespace, config: EmulationConfig, work: Work) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with ApiClient(load_credentials(arguments.kubeconfig)) as client:
        await work(arguments, config, client, stop)
    return 0


async def _until(stop: asyncio.Event, work: Awaitable[object]) -> bool:
    """Run `work` until it ends or `stop` is set; whether it ended."""
    running, stopped = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            return False
        running.result()
        return True
    finally:
        stopped.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError, SerflabError):
            await running


def _find(name: str, script: str) -> Path:
    path = Path(name).expanduser()
    beside = Path(script).resolve().parent / path
    if path.is_absolute() or path.exists() or not beside.exists():
        return path
    return beside


def _log_to_stderr(level: str) -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a number, found {text!r}") from error


def _positive(text: str) -> float:
    value = _number(text)
    if not 0.01 <= value <= 86400:  # not a number is in no range either
        raise argparse.ArgumentTypeError(f"expected seconds from 0.01 to 86400, found {text!r}")
    return value


def _whole(text: str, least: int, most: int) -> int:
    value = int(text) if text.isdecimal() else least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, found {text!r}")
    return value


def _count(text: str) -> int:
    return _whole(text, 1, 1000)


def _phase(text: str) -> int:
    return _whole(text, 0, 10**9)


def _port(text: str) -> int:
    return _whole(text, 1, 65535)
