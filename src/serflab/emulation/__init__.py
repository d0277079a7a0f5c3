"""What runs on one serf: create its resources, replay a trace onto them, expose them as metrics."""
