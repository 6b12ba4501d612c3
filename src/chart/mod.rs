//! Figures: marks on axes, as SVG, PNG and blocks for the terminal.
