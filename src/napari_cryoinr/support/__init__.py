"""What the whole package relies on: records, atomic files, checksums, devices, memory, threads."""
