"""From a data set that was read to splits of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from keras_dl.task import Split

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_dl.data.counted import Counted
    from keras_dl.data.images import Images
    from keras_dl.data.texts import Texts

    Found = TypeVar("Found", Images, Texts, Counted)


def image_split(images: Images, decode: Callable[[tf.Tensor], tf.Tensor]) -> Split:
    """Make a split of image files, decoded in parallel, labelled by class index as a float `[1]`."""
    import tensorflow as tf

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode(tf.io.read_file(path)), tf.cast(label, tf.float32)[None]

    paths = [os.fsencode(path) for path in images.paths]  # bytes: a name need not be UTF-8
    files = tf.data.Dataset.from_tensor_slices((paths, images.labels))
    at_once = 4 * (os.cpu_count() or 1)  # so that no core waits while a slower file keeps the others' place
    examples = files.map(read, num_parallel_calls=at_once, deterministic=True)
    return Split(
        examples,
        ids=images.ids,
        groups=images.groups.tolist(),
        truth=images.labels.tolist(),
        raw=lambda row: images.paths[row].read_bytes(),
        strata=images.labels.tolist(),
        columns={"site": images.sites.tolist()} if any(images.sites) else {},
    )


def test_part(found: Found) -> Found:
    """Return the test part of a set that has parts, or all of one that has none."""
    return found.take(found.parts == "test") if (found.parts == "test").any() else found


def notes(found: Images | Texts | Counted) -> dict[str, Any]:
    """Say for card and report what was read and what was skipped, and why."""
    skipped = [{"file": skipped.path, "reason": skipped.reason} for skipped in found.skipped]
    return {"read": len(found), **found.notes, "skipped": skipped}
