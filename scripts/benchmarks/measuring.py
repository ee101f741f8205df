"""What every section of the benchmark shares: measuring in turn, ratios with their range, one table."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import multiprocessing
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from keras_dl.training.machines import devices

Measures = Mapping[str, Callable[[], float]]
Values = dict[str, list[float]]
LOWER_IS_BETTER = ("ms", "s", "MB")  # units of time and memory; every other unit is a rate


class Row(NamedTuple):
    """One comparison: two medians, and how many times better ours is (above 1: ours is)."""

    section: str
    case: str
    unit: str
    ours: float
    other: str  # what ours is compared with
    theirs: float
    ratio: float  # median of the rounds' ratios, each of two measurements made one after the other
    low: float
    high: float
    bar: float | None = None  # the ratio asked for, if one is


def alternating(measures: Measures, rounds: int) -> Values:
    """Measure each in turn, again and again, after a first round that only warms up; every second round backwards."""
    values: Values = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name in list(measures)[:: 1 if number % 2 else -1]:
            value = measures[name]()
            if number:
                values[name].append(value)
    return values


def compared(
    section: str, case: str, unit: str, values: Values, ours: str, other: str, *, bar: float | None = None
) -> Row:
    """Return the row of two of the things that were measured in turn."""
    pairs = zip(values[ours], values[other], strict=True)
    ratios = [b / a if unit in LOWER_IS_BETTER else a / b for a, b in pairs]
    middle = [statistics.median(values[name]) for name in (ours, other)]
    return Row(
        section, case, unit, middle[0], other, middle[1], statistics.median(ratios), min(ratios), max(ratios), bar
    )


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a module in a fresh process of its own, and return what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(quietly, function, *arguments).result()


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function without the lines and bars that the package writes for whoever watches a training."""
    with contextlib.redirect_stderr(io.StringIO()):
        return function(*arguments)


def section(name: str, rounds: int, quick: bool) -> list[Row]:
    """Measure one section. The module is imported here, so that a process imports no more than it measures."""
    return importlib.import_module(f"benchmarks.{name}").measure(rounds, quick=quick)


def with_torch() -> bool:
    """Whether PyTorch is there, of the extra "bench"; without it the rows that need it are left out."""
    return importlib.util.find_spec("torch") is not None


def circumstances() -> dict[str, Any]:
    """Say on what was measured: hardware, versions, and the commit, marked where files differ from it."""
    names = ("keras-dl", "keras", "tensorflow", "numpy", "torch", "pillow", "fastapi", "uvicorn")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    hardware = {"processor": processor(), "cores": devices.cores(), "memory": f"{memory:.0f} GiB"}
    return {"hardware": hardware, "system": platform.system(), "versions": versions, "commit": commit()}


def processor() -> str:
    """Return the name of the processor, as Linux knows it, with the instructions that matter for float32."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    known = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    widest = next((name for name in ("avx512f", "avx2") if name in known.get("flags", "").split()), "")
    return " ".join(filter(None, [known.get("model name", platform.machine()), widest]))


def commit() -> str:
    """Return the commit of the checkout, "+" behind it where files differ from it, or "" outside of one."""
    folder = Path(__file__).parent
    asked = [["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]]
    try:
        name, changed = (
            subprocess.run(["git", "-C", folder, *one], capture_output=True, text=True, check=True).stdout.strip()
            for one in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return name + ("+" if changed else "")


def markdown(result: Mapping[str, Any]) -> str:
    """Lay a whole result out: the circumstances in a line, then one table."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    hardware, rounds = result["hardware"], result["rounds"]
    facts = (
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory']}; {versions}; "
        f'commit {result["commit"] or "unknown"}. Medians of {rounds} alternating rounds; "better" is the median '
        "of the rounds' ratios and their range, above 1 where ours is faster or smaller."
    )
    return f"{facts}\n\n{table(Row(*row) for row in result['rows'])}"


def table(rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| section | case | unit | ours | beside it | its figure | better | bar |"]
    lines.append("|---|---|---|--:|---|--:|--:|--:|")
    for row in rows:
        better = f"{number(row.ratio)} [{number(row.low)}, {number(row.high)}]"
        bar = "" if row.bar is None else f"{row.bar:g}, {'met' if row.ratio >= row.bar else 'missed'}"
        cells = (row.section, row.case, row.unit, number(row.ours), row.other, number(row.theirs), better, bar)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(rows: Sequence[Row]) -> list[str]:
    """Say which bars were missed."""
    return [
        f"{row.section}, {row.case}, beside {row.other}: {number(row.ratio)} where {row.bar:g} is asked for"
        for row in rows
        if row.bar is not None and row.ratio < row.bar
    ]


def number(value: float) -> str:
    """Write three significant digits, and all digits of what is larger."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")
