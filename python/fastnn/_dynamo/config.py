"""Options are accepted (`config.suppress_errors = True`): there is nothing that they could change."""
