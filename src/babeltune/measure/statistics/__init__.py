"""Statistics: intervals, differences, correction, components of variance, trends: pure functions that know no study."""
