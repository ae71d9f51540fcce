"""The health gate: a new boot is judged before it is trusted."""
