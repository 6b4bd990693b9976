"""xDS subscriptions, versions, nonces and ordering."""
