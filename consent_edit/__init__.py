"""consent-edit."""
