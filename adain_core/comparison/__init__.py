"""The paper's quantitative comparison (section 6.2): ours beside the optimization that it replaces."""
