"""Evaluate a run; the same as `keras-dl evaluate`, by the same function.

python scripts/evaluate.py pneumonia --data other_hospital/
"""

from keras_dl.cli import evaluate

if __name__ == "__main__":
    evaluate()
