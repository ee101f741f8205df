"""Evaluate a run; `keras-dl evaluate`, by the same function.

python scripts/evaluate.py pneumonia --data other_hospital/
"""

import sys

from keras_dl.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]], prog_name="keras-dl")
