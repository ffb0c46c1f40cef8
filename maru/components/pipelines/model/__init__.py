"""What a pipeline means: events, conditions, options, filters; values in, values out."""
