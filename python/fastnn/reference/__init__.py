"""What each kernel means, in plain NumPy float64: the oracle of every test and the readable specification."""
