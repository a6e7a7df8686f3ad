"""The identity verifier: from its captures of a person to a signed credential, and its keys."""
