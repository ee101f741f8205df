"""Download a file once, resumably and verified, and keep it; the places to download sets from; the cache folder."""

from __future__ import annotations

import ipaddress
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.progress import bar

if TYPE_CHECKING:
    import requests

ATTEMPTS = 4
FIRST_PAUSE = 1.0  # seconds; doubled after every failed attempt
TIMEOUT = 30  # seconds without an answer
BLOCK = 1 << 16  # bytes; as many may be lost when the connection fails


@dataclass(frozen=True)
class Source:
    """A place to download a set from."""

    base: str  # address
    files: Mapping[str, str]  # part or file of the set, "" for all of it -> path below the base
    holds: Mapping[str, int]  # part or file of the set, "" for all of it -> how many examples
    by_hand: str  # what to do without a network or an account; {target} is the file or folder to make
    md5: Mapping[str, str] = field(default_factory=dict)  # of the files whose checksum is published
    account: Callable[[], tuple[str, str] | None] = lambda: None  # returns (user, password), where one helps


def cache_folder() -> Path:
    """Return the folder for downloads and unpacked archives: KERAS_DL_CACHE, or the system's place for caches.

    Raises:
        UsageError: if it is in a home folder that is not known.
    """
    if chosen := os.environ.get("KERAS_DL_CACHE"):
        return at_home(chosen)
    import pooch

    try:
        return Path(pooch.os_cache("keras-dl"))
    except RuntimeError:
        raise UsageError("the home folder is unknown; set KERAS_DL_CACHE to a folder for downloads") from None


def fetch(
    url: str, target: Path, sha256: str | None = None, auth: tuple[str, str] | None = None, *, md5: str | None = None
) -> Path:
    """Return `target`, downloaded from `url` unless it is there already and unchanged.

    Where neither `sha256` nor `md5` is known, the sum seen at the first download is kept beside the file, in
    `target`.sha256, and holds from then on: it shows later damage or a changed source, not a bad first download. An
    interrupted download goes on from `target`.part. `auth` is (user, password).
    Raises KerasDLError when the server refuses or cannot be reached, or the sum differs.
    """
    import pooch
    import requests

    seen = target.with_name(f"{target.name}.sha256")
    kind, expected = "sha256", sha256 or (seen.read_text().split()[0] if seen.exists() else None)
    if md5:
        kind, expected = "md5", md5
    part = target.with_name(f"{target.name}.part")

    def download(url: str, output: str, _: object) -> None:
        _download(url, part, auth)
        part.replace(output)

    pooch.get_logger().setLevel("WARNING")  # the progress bar says the rest
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(url, expected and f"{kind}:{expected}", target.name, target.parent, downloader=download)
        if expected is None:
            seen.write_text(f"{pooch.file_hash(str(target))}  {target.name}\n")
    except requests.RequestException as error:
        answer = error.response  # whose truth is that of its status: compare with None
        reason = "no connection" if answer is None else f"the server answered {answer.status_code}"
        raise KerasDLError(f"{url}: {reason}; the part that arrived is kept, so try again later") from error
    except ValueError as error:
        way_out = "try again later" if sha256 or md5 else f"if the source has a new version, delete {seen}"
        raise KerasDLError(f"{url}: its {kind} is not the expected {expected}; {way_out}") from error
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def proxies_for(url: str) -> dict[str, Any]:
    """Return the argument `proxies` of requests: none to this machine, to others what the environment says."""
    return dict.fromkeys(("http", "https", "all")) if is_this_machine(url) else {}


def is_this_machine(url: str) -> bool:
    """Whether an address, as "http://localhost:7860", is of this machine: no proxy knows the way."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def source_named(name: str, sources: Mapping[str, Source]) -> Source:
    """Return the source of that name. Raises UsageError that names all of them."""
    if name not in sources:
        raise UsageError(f"there is no source '{name}'; choose from {', '.join(sources)}")
    return sources[name]


def fetch_files(source: Source, files: Mapping[str, Path], target: Path, *, base: str | None = None) -> None:
    """Download what is not there yet of a set that shall become the folder `target`.

    Args:
        source: where the files are.
        files: key of `source.files` -> where to keep that file.
        target: is named in what there is to do by hand.
        base: another address that has the same files below it.

    Raises:
        KerasDLError: if a file cannot be had, with how to get the set by hand.
    """
    account = source.account()
    try:
        for name, file in files.items():
            fetch(f"{base or source.base}/{source.files[name]}", file, auth=account, md5=source.md5.get(name))
    except KerasDLError as error:
        raise KerasDLError(f"{error}; by hand: {source.by_hand.format(target=target)}") from error


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make(empty folder)` unless it exists.

    It appears complete or not at all: the work is done beside it and renamed. Two processes may try at once; the
    first to finish wins, and the other one's work is dropped. A folder in the cache that has lost files since, or parts
    of them, is made anew: what tidies up caches takes single files. A folder elsewhere is its user's.
    """
    if folder.exists() and not lost_some(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            work = Path(scratch, folder.name)
            work.mkdir()
            make(work)
            sizes = {str(path.relative_to(work)): path.stat().st_size for path in work.rglob("*") if path.is_file()}
            if in_cache(folder):
                list_of(folder).write_text(json.dumps(sizes), encoding="utf-8")
            if folder.exists() and lost_some(folder):
                folder.rename(Path(scratch, "lost"))
            try:
                work.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unwritable(path: Path, error: OSError) -> KerasDLError:
    """Say where nothing can be written, and which option takes another place."""
    way_out = "set KERAS_DL_CACHE to a writable folder" if in_cache(path) else "choose another --out"
    return KerasDLError(f"cannot write {path}: {error.strerror or error}; {way_out}")


def lost_some(folder: Path) -> bool:
    """Whether a folder in the cache lacks files that `made_once` put there, or has shorter or longer ones."""
    if not in_cache(folder) or not list_of(folder).exists():
        return False
    try:
        sizes = json.loads(list_of(folder).read_text(encoding="utf-8"))
        return any((folder / name).stat().st_size != size for name, size in sizes.items())
    except (OSError, ValueError):
        return True


def in_cache(folder: Path) -> bool:
    """Whether a folder is in the cache, where nothing is a user's own."""
    return cache_folder().absolute() in folder.absolute().parents


def list_of(folder: Path) -> Path:
    """Return where the sizes of the files in a folder of `made_once` are written down."""
    return folder.with_name(f".{folder.name}.json")


def _download(url: str, part: Path, auth: tuple[str, str] | None) -> None:
    """Fill `part` from where it stops to the end; try again when the connection fails or the server is busy."""
    import requests

    for attempt in range(ATTEMPTS):
        try:
            return _download_rest(url, part, auth)
        except requests.RequestException:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(FIRST_PAUSE * 2**attempt)


def _download_rest(url: str, part: Path, auth: tuple[str, str] | None) -> None:
    import requests

    have = part.stat().st_size if part.exists() else 0
    # "identity": what is counted on the wire is what is in the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    proxies = proxies_for(url)
    with requests.get(url, headers=headers, auth=auth, stream=True, timeout=TIMEOUT, proxies=proxies) as answer:
        if answer.status_code == 416:  # nothing after `have`: the part is whole, or is of another file
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
        _refuse(url, answer)
        answer.raise_for_status()
        resumed = answer.status_code == 206
        have = have if resumed else 0
        rest = answer.headers.get("Content-Length")
        total = have + int(rest) if rest else None
        shown = bar(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True)
        with shown, part.open("ab" if resumed else "wb") as file:
            for block in answer.iter_content(BLOCK):
                file.write(block)
                shown.update(len(block))
    if total and part.stat().st_size != total:
        raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes arrived")


def _refuse(url: str, answer: requests.Response) -> None:
    """Trying again does not help against these."""
    if answer.status_code in (401, 403, 404, 410):
        raise KerasDLError(f"{url}: the server refused with {answer.status_code} {answer.reason}")
    if answer.ok and answer.headers.get("Content-Type", "").startswith("text/html"):
        raise KerasDLError(
            f"{url}: the server sent a web page instead of the file, perhaps because you are not signed in"
        )
