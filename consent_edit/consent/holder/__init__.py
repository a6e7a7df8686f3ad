"""The person depicted: her wallet, the notices she reads, the grants she signs, her record of them."""
