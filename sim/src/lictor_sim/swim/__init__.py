"""Gossip pools of thousands of members in one process, from a seed: how fast, how loud, how often wrong."""
