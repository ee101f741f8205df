"""The few layers and losses that Keras lacks: registered, so that saved models reload in safe mode."""
