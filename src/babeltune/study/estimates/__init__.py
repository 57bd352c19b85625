"""What a study will take: memory, hours, disk; from the shape of its models and the device, before anything runs."""
