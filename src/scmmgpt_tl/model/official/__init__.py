"""scMMGPT as its authors published it: scGPT, a Q-Former and heads in a Lightning checkpoint."""
