"""Classic deep-learning projects done properly in Keras 3.

import keras_dl

run = keras_dl.train("pneumonia", tiny=True)
run.evaluate(), run.predict("image.jpeg"), run.explain("image.jpeg"), run.export()
"""

from keras_dl.api import open_run, train

__all__ = ["open_run", "train"]
