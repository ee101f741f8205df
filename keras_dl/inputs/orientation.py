"""Which way up a JPEG file is, as its EXIF data says it, as graph operations: TensorFlow's decoder ignores that.

Cameras and phones store the picture as the sensor saw it, and note how it has to be turned (Exif 2.3, tag 0x0112).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

HEAD = 1 << 16  # bytes that are searched: EXIF data comes first, and is at most so long
MARK = b"Exif\0\0"
TAG = 0x0112
ENTRY = 12  # bytes of an entry of EXIF's table: tag (2), type (2), count (4), value (4)


def orientation(data: tf.Tensor) -> tf.Tensor:
    """Return the orientation of an encoded image, int32 1 to 8; 1 (upright) where it says none, or is no JPEG.

    Damaged EXIF data counts as none.
    """
    import tensorflow as tf

    def told() -> tf.Tensor:
        head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, HEAD), tf.uint8), tf.int32)
        head = tf.concat([head, tf.zeros([2 * ENTRY], tf.int32)], 0)  # so that a place near the end can be read
        found = tf.reduce_all([head[at : at - len(MARK)] == byte for at, byte in enumerate(MARK)], 0)
        start = tf.argmax(found, output_type=tf.int32) + len(MARK)  # all places in EXIF data count from here
        big = head[start] == ord("M")  # "MM" or "II": which byte of a number comes first

        def pairs(of: tf.Tensor) -> tf.Tensor:
            """Turn bytes `[2 * count]` into numbers `[count]`."""
            two = tf.reshape(of, [-1, 2])
            return tf.where(big, two[:, 0] * 256 + two[:, 1], two[:, 0] + two[:, 1] * 256)

        offset = tf.reduce_max(pairs(head[start + 4 : start + 8]))  # of the table; below 65536 one of the two is 0
        table = tf.minimum(start + offset, tf.size(head) - 2 * ENTRY)
        rows = tf.minimum(pairs(head[table : table + 2])[0], (tf.size(head) - table - 2) // ENTRY)
        entries = tf.reshape(pairs(head[table + 2 : table + 2 + rows * ENTRY]), [-1, ENTRY // 2])
        value = tf.reduce_sum(tf.where(entries[:, 0] == TAG, entries[:, 4], 0))
        return tf.where(tf.reduce_any(found) & (value >= 1) & (value <= 8), value, 1)

    # Most files have the plain head of JFIF and then a table (0xFFDB): a look at it is enough.
    plain = tf.strings.substr(tf.strings.join([tf.strings.substr(data, 0, 22), b"\0" * 22]), 20, 2) == b"\xff\xdb"
    return tf.cond(tf.io.is_jpeg(data) & ~plain, told, lambda: tf.constant(1))


def upright(image: tf.Tensor, how: tf.Tensor) -> tf.Tensor:
    """Turn an image `[height, width, channels]` the way up that its orientation says, 1 to 8."""
    import tensorflow as tf

    def turned() -> tf.Tensor:
        across = tf.cond(how >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        across = tf.cond(tf.reduce_any(how == [2, 3, 6, 7]), lambda: across[:, ::-1], lambda: across)
        return tf.cond(tf.reduce_any(how == [3, 4, 7, 8]), lambda: across[::-1], lambda: across)

    return tf.cond(how > 1, turned, lambda: image)
