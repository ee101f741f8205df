// Which samples of a model are shown.

/** Return at most so many samples, taken from one class after the other. */
export function mixed(samples, most) {
  const classes = new Map();
  for (const sample of samples ?? []) classes.set(sample.label, [...(classes.get(sample.label) ?? []), sample]);
  const found = [];
  for (let row = 0; found.length < Math.min(most, samples?.length ?? 0); row += 1) {
    for (const of of classes.values()) if (row < of.length && found.length < most) found.push(of[row]);
  }
  return found;
}
