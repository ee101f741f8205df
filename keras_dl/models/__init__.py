"""One architecture per file, in the functional API, with Keras alone: they run on each of its backends."""
