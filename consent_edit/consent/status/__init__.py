"""Status lists: reading them, and the service that signs, serves and fetches them."""
