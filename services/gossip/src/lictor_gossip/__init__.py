"""Who is alive: SWIM and Serf on the wire."""
