"""The probe of an account: what Easee's cloud does, against what this driver takes for granted."""
