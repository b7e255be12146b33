"""What the spectrum says: fits, test statistics, limits and scans."""
