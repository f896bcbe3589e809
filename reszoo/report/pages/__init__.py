"""Pages in HTML: a run, a comparison of runs, a search, a bundle, a study."""
