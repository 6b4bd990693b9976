"""`lictor import`: what a running Consul holds, copied into Lictor through the two HTTP APIs."""
