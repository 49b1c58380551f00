"""What the whole package uses: records, atomic files, output paths, checksums, devices, memory."""
