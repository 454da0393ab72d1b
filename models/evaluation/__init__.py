"""Measures of generated dances beside real ones, their classifiers, criteria, reports and plots."""
