"""Pictures as files, drawn with matplotlib: plans, predictions, comparisons."""
