"""The numbers of the package: metrics, thresholds, calibration, intervals. NumPy, SciPy and scikit-learn only.

measuring    what a prepared measurement is, and the sums that all are made of
ranking      metrics of classifiers, and the points of ROC and precision-recall curves
counts       metrics of predicted numbers, and the ends of their intervals
conformal    quantiles that hold for an example of a new group (conformal prediction), and how good sets are
calibration  temperature and bias by likelihood, the calibration error
thresholds   from which value on an answer is "yes"
bootstrap    draws of whole groups, 95 % intervals, p values
"""
