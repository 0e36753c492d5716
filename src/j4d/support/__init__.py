"""What every package needs: files, printing, versions, processes."""
