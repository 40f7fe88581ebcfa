"""What NVML says of GPUs, put into shape; and NVIDIA's driver as the system sees it."""
