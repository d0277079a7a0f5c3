"""What a pod does over time: the trace model, its checks, sampling and generating."""
