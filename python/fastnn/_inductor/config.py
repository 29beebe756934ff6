"""Options are accepted (`config.max_autotune = True`): there is nothing that they could change."""
