"""Consent: signed credentials and grants, verified offline, and matched to faces."""
