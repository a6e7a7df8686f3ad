"""The floor and policies as formulas, and what the solver is asked of them."""
