"""What `j4d evaluate` is made of: contenders, a grid of work over processes, a cache, comparisons, stored results."""
